/*
 * The limit: a C program that only reads the blocks, one request at a time, and looks at nothing.
 *
 * usage: libmodbus-loop REGISTERS PERIOD_MS PORT...
 * Reads REGISTERS holding registers of each port in blocks of 125, every PERIOD_MS on a fixed grid (0: without pause).
 * Prints "ready" after the first round, and "count N" (registers read so far) on SIGUSR2.
 */
#include <errno.h>
#include <modbus.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { block = 125 };
static volatile sig_atomic_t unused;
static unsigned long long registers_read;

static void report(int signal_number) {
  (void)signal_number;
  char text[40];
  int length = snprintf(text, sizeof text, "count %llu\n", registers_read);
  if (write(1, text, (size_t)length) < 0) unused = 1;
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  int registers = atoi(argv[1]);
  long period_ms = atol(argv[2]);
  int machines = argc - 3;
  modbus_t **machine = calloc((size_t)machines, sizeof *machine);
  for (int i = 0; i < machines; i++) {
    machine[i] = modbus_new_tcp("127.0.0.1", atoi(argv[3 + i]));
    modbus_set_slave(machine[i], 1);
    if (modbus_connect(machine[i]) != 0) {
      fprintf(stderr, "connect: %s\n", modbus_strerror(errno));
      return 1;
    }
  }
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = report;
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR2, &action, NULL);

  uint16_t values[block];
  struct timespec due;
  clock_gettime(CLOCK_MONOTONIC, &due);
  for (unsigned long round = 0;; round++) {
    for (int i = 0; i < machines; i++) {
      for (int start = 0; start < registers; start += block) {
        int quantity = registers - start < block ? registers - start : block;
        if (modbus_read_registers(machine[i], start, quantity, values) != quantity) {
          fprintf(stderr, "read: %s\n", modbus_strerror(errno));
          return 1;
        }
        registers_read += (unsigned long long)quantity;
      }
    }
    if (round == 0) {
      puts("ready");
      fflush(stdout);
    }
    if (period_ms > 0) {
      due.tv_sec += period_ms / 1000;
      due.tv_nsec += period_ms % 1000 * 1000000;
      if (due.tv_nsec >= 1000000000) {
        due.tv_nsec -= 1000000000;
        due.tv_sec++;
      }
      while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR) {
      }
    }
  }
}
