/* nbd_netlink: the kernel's NBD client by its netlink interface, for what nbd-client(8) cannot: sockets that are
 * replaced under a mounted file system.
 *   nbd_netlink connect INDEX HOST PORT EXPORT CONNECTIONS DEAD_CONN_TIMEOUT_SECONDS
 *   nbd_netlink reconfigure INDEX HOST PORT EXPORT CONNECTIONS DEAD_CONN_TIMEOUT_SECONDS
 *   nbd_netlink disconnect INDEX
 * Built static: it runs in the guest. */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/nbd-netlink.h>
#include <linux/nbd.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKETS_MAX 16
#define HANDSHAKE_FLAGS 3u /* fixed newstyle, no zeroes */

static void die(const char *what) {
  printf("nbd_netlink: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void refuse(const char *what) {
  printf("nbd_netlink: %s\n", what);
  exit(1);
}

/* ---- the NBD handshake ---- */

static void send_all(int fd, const void *data, size_t length) {
  const char *at = data;
  while (length > 0) {
    ssize_t sent = write(fd, at, length);
    if (sent <= 0) die("send");
    at += sent;
    length -= (size_t)sent;
  }
}

static void receive_all(int fd, void *data, size_t length) {
  char *at = data;
  while (length > 0) {
    ssize_t got = read(fd, at, length);
    if (got < 0) die("receive");
    if (got == 0) refuse("receive: the server hung up");
    at += got;
    length -= (size_t)got;
  }
}

struct export_info {
  uint64_t size;
  uint16_t flags;
};

/* NBD_OPT_EXPORT_NAME: the shortest handshake there is. */
static int open_export(const char *host, const char *port, const char *name, struct export_info *info) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) refuse("not an IPv4 address");
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) die("connect");

  char magic[18];
  receive_all(fd, magic, sizeof magic);
  if (memcmp(magic, "NBDMAGICIHAVEOPT", 16) != 0) refuse("handshake: not a newstyle server");
  uint32_t flags = htonl(HANDSHAKE_FLAGS);
  send_all(fd, &flags, sizeof flags);
  uint32_t option[2] = {htonl(1), htonl((uint32_t)strlen(name))};
  send_all(fd, "IHAVEOPT", 8);
  send_all(fd, option, sizeof option);
  send_all(fd, name, strlen(name));
  receive_all(fd, &info->size, sizeof info->size);
  receive_all(fd, &info->flags, sizeof info->flags);
  info->size = be64toh(info->size);
  info->flags = be16toh(info->flags);
  return fd;
}

/* ---- generic netlink ---- */

struct message {
  struct nlmsghdr header;
  struct genlmsghdr generic;
  char attributes[1024];
};

static struct message *new_message(uint16_t family, uint8_t command, uint8_t version) {
  static struct message message;
  memset(&message, 0, sizeof message);
  message.header.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
  message.header.nlmsg_type = family;
  message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  message.generic.cmd = command;
  message.generic.version = version;
  return &message;
}

static struct nlattr *put(struct message *message, uint16_t type, const void *data, size_t length) {
  struct nlattr *attribute = (struct nlattr *)((char *)message + NLMSG_ALIGN(message->header.nlmsg_len));
  attribute->nla_type = type;
  attribute->nla_len = (uint16_t)(NLA_HDRLEN + length);
  if (length > 0) memcpy((char *)attribute + NLA_HDRLEN, data, length);
  message->header.nlmsg_len = (uint32_t)(NLMSG_ALIGN(message->header.nlmsg_len) + NLA_ALIGN(attribute->nla_len));
  if (message->header.nlmsg_len > sizeof *message) refuse("too many attributes");
  return attribute;
}

static void close_nest(struct message *message, struct nlattr *nest) {
  nest->nla_type |= NLA_F_NESTED;
  nest->nla_len = (uint16_t)((char *)message + message->header.nlmsg_len - (char *)nest);
}

/* Sends, and reads until the acknowledgement; the last other answer is copied to `answer`. */
static void talk(int fd, struct message *message, struct message *answer) {
  if (send(fd, message, message->header.nlmsg_len, 0) < 0) die("netlink send");
  while (1) {
    char buffer[8192];
    ssize_t got = recv(fd, buffer, sizeof buffer, 0);
    if (got < 0) die("netlink receive");
    int left = (int)got;
    for (struct nlmsghdr *header = (struct nlmsghdr *)buffer; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type != NLMSG_ERROR) {
        size_t length = header->nlmsg_len < sizeof *answer ? header->nlmsg_len : sizeof *answer;
        if (answer != NULL) memcpy(answer, header, length);
        continue;
      }
      const struct nlmsgerr *error = NLMSG_DATA(header);
      if (error->error == 0) return;
      errno = -error->error;
      die("netlink request");
    }
  }
}

static uint16_t nbd_family(int fd) {
  struct message *message = new_message(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
  struct message answer;
  memset(&answer, 0, sizeof answer);
  put(message, CTRL_ATTR_FAMILY_NAME, NBD_GENL_FAMILY_NAME, sizeof NBD_GENL_FAMILY_NAME);
  talk(fd, message, &answer);
  size_t at = 0;
  size_t end = answer.header.nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN);
  while (at + NLA_HDRLEN <= end) {
    const struct nlattr *attribute = (const struct nlattr *)(answer.attributes + at);
    uint16_t family;
    if (attribute->nla_type == CTRL_ATTR_FAMILY_ID) {
      memcpy(&family, (const char *)attribute + NLA_HDRLEN, sizeof family);
      return family;
    }
    if (attribute->nla_len < NLA_HDRLEN) break;
    at += NLA_ALIGN(attribute->nla_len);
  }
  refuse("the kernel has no nbd netlink family");
  return 0;
}

static void configure(int fd, uint16_t family, uint8_t command, char **arguments) {
  uint32_t index = (uint32_t)atoi(arguments[0]);
  int connections = atoi(arguments[4]);
  uint64_t dead_timeout = (uint64_t)atoi(arguments[5]);
  uint64_t client_flags = 0;
  struct export_info info = {0, 0};
  int sockets[SOCKETS_MAX];
  if (connections < 1 || connections > SOCKETS_MAX) refuse("1 to 16 connections");
  for (int i = 0; i < connections; ++i) sockets[i] = open_export(arguments[1], arguments[2], arguments[3], &info);

  struct message *message = new_message(family, command, NBD_GENL_VERSION);
  uint64_t flags = info.flags;
  uint64_t block = 4096;
  put(message, NBD_ATTR_INDEX, &index, sizeof index);
  put(message, NBD_ATTR_SIZE_BYTES, &info.size, sizeof info.size);
  put(message, NBD_ATTR_BLOCK_SIZE_BYTES, &block, sizeof block);
  put(message, NBD_ATTR_SERVER_FLAGS, &flags, sizeof flags);
  put(message, NBD_ATTR_CLIENT_FLAGS, &client_flags, sizeof client_flags);
  put(message, NBD_ATTR_DEAD_CONN_TIMEOUT, &dead_timeout, sizeof dead_timeout);
  struct nlattr *list = put(message, NBD_ATTR_SOCKETS, NULL, 0);
  for (int i = 0; i < connections; ++i) {
    struct nlattr *item = put(message, NBD_SOCK_ITEM, NULL, 0);
    uint32_t socket_fd = (uint32_t)sockets[i];
    put(message, NBD_SOCK_FD, &socket_fd, sizeof socket_fd);
    close_nest(message, item);
  }
  close_nest(message, list);
  talk(fd, message, NULL);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc < 3) refuse("usage: nbd_netlink connect|reconfigure|disconnect INDEX ...");
  int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
  struct sockaddr_nl address = {.nl_family = AF_NETLINK};
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0) die("netlink");
  uint16_t family = nbd_family(fd);
  if (strcmp(argv[1], "disconnect") == 0) {
    uint32_t index = (uint32_t)atoi(argv[2]);
    struct message *message = new_message(family, NBD_CMD_DISCONNECT, NBD_GENL_VERSION);
    put(message, NBD_ATTR_INDEX, &index, sizeof index);
    talk(fd, message, NULL);
    return 0;
  }
  if (argc != 8) refuse("connect and reconfigure need INDEX HOST PORT EXPORT CONNECTIONS SECONDS");
  if (strcmp(argv[1], "connect") == 0) {
    configure(fd, family, NBD_CMD_CONNECT, argv + 2);
  } else if (strcmp(argv[1], "reconfigure") == 0) {
    configure(fd, family, NBD_CMD_RECONFIGURE, argv + 2);
  } else {
    refuse("unknown command");
  }
  return 0;
}
