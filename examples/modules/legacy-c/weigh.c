/* weigh.c - prints the weight on belt 3.  R. Hollis, 1996.  Reads the indicator on COM2; here a table stands in for it. */
#include <stdio.h>
#include <unistd.h>

static const double table[] = { 101.2, 101.4, 99.8, 100.1, 250.0, 100.3 };

int main(void)
{
    int i = 0;
    for (;;) {
        printf("WT %7.1f kg\n", table[i++ % 6]);
        fflush(stdout);
        usleep(500000);
    }
}
