// Boost's xsi_shared_memory for bindings_test.ts: does what its input says, and answers each line with one.
#include <boost/interprocess/mapped_region.hpp>
#include <boost/interprocess/xsi_shared_memory.hpp>
#include <iostream>
#include <memory>
#include <string>

using namespace boost::interprocess;

struct Reading {
    int sensor;
    double celsius;
};

int main(int, char **argv)
{
    xsi_key key(argv[1], 'Q');
    std::unique_ptr<xsi_shared_memory> memory;
    std::unique_ptr<mapped_region> region;
    auto attach = [&](xsi_shared_memory *made) {
        memory.reset(made);
        region.reset(new mapped_region(*memory, read_write));
        return static_cast<volatile Reading *>(region->get_address());
    };
    volatile Reading *reading = nullptr;
    for (std::string word; std::cin >> word;) {
        if (word == "read") {
            std::cout << reading->sensor << " " << reading->celsius << std::endl;
            continue;
        }
        if (word == "open") {
            reading = attach(new xsi_shared_memory(open_only, key));
            std::cout << region->get_size() << std::endl;
            continue;
        }
        if (word == "create") {
            reading = attach(new xsi_shared_memory(create_only, key, sizeof(Reading), 0600));
        } else if (word == "write") {
            int sensor;
            double celsius;
            std::cin >> sensor >> celsius;
            reading->sensor = sensor;
            reading->celsius = celsius;
        } else if (word == "remove") {
            region.reset();
            xsi_shared_memory::remove(memory->get_shmid());
        }
        std::cout << "ok" << std::endl;
    }
}
