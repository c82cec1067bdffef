/* The first process of every pod: holds the pod's namespaces open until it is told to stop, and collects ended children. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_stop(int number) {
  (void)number;
  _exit(0);
}

static void on_child(int number) {
  (void)number;
  while (waitpid(-1, NULL, WNOHANG) > 0) {
  }
}

int main(void) {
  signal(SIGINT, on_stop);
  signal(SIGTERM, on_stop);
  signal(SIGCHLD, on_child);
  for (;;) pause();
}
