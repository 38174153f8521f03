// QSharedMemory for bindings_test.ts: does what its input says, and answers each line with one.
#include <QSharedMemory>
#include <QString>
#include <iostream>
#include <string>

struct Reading {
    int sensor;
    double celsius;
};

int main(int, char **argv)
{
    QSharedMemory memory;
    memory.setNativeKey(QString::fromLocal8Bit(argv[1]));
    auto reading = [&] { return static_cast<volatile Reading *>(memory.data()); };
    auto check = [&](bool done) {
        if (done) return;
        std::cerr << memory.errorString().toStdString() << std::endl;
        exit(1);
    };
    for (std::string word; std::cin >> word;) {
        if (word == "read") {
            std::cout << reading()->sensor << " " << reading()->celsius << std::endl;
            continue;
        }
        if (word == "open") {
            check(memory.attach());
            std::cout << memory.size() << std::endl;
            continue;
        }
        if (word == "create") {
            check(memory.create(sizeof(Reading)));
        } else if (word == "write") {
            int sensor;
            double celsius;
            std::cin >> sensor >> celsius;
            reading()->sensor = sensor;
            reading()->celsius = celsius;
        } else if (word == "remove") {
            check(memory.detach()); // removes a segment that no other process has attached
        }
        std::cout << "ok" << std::endl;
    }
}
