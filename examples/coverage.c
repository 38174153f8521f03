/* A program to be covered by coverage.ts: each right letter of the word "open" leads one branch further.
 *
 *     afl-cc -o lock examples/coverage.c
 */
#include <stdio.h>

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (word[0] == 'o') {
        if (word[1] == 'p') {
            if (word[2] == 'e') {
                if (word[3] == 'n') {
                    puts("the lock is open");
                }
            }
        }
    }
    return 0;
}
