#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Answers every request on port 8080, one at a time. */
int main(void) {
  static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nfrom C\n";
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(8080)};
  int server = socket(AF_INET, SOCK_STREAM, 0);
  if (server < 0 || bind(server, (struct sockaddr *)&address, sizeof address) != 0 || listen(server, 16) != 0) {
    perror("server");
    return 1;
  }
  puts("listening");
  fflush(stdout);
  for (;;) {
    char request[4096];
    int client = accept(server, NULL, NULL);
    if (client < 0) return 1;
    if (read(client, request, sizeof request) > 0 && write(client, answer, strlen(answer)) < 0) perror("write");
    close(client);
  }
}
