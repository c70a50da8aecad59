/* Many processes that only sleep: what discovery is measured on.
 *
 * Usage: sleepers COUNT. Says "ready" when all are there; they end with it, and it with
 * whoever started it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const int count = argc > 1 ? atoi(argv[1]) : 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < count; i++) {
        const pid_t pid = fork();
        if (pid < 0) {
            perror("fork");
            return 1;
        }
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            pause();
            _exit(0);
        }
    }
    puts("ready");
    fflush(stdout);
    pause();
    return 0;
}
