/*
 * What a dead speaker must not leave in the kernel: routes for late packets and what belongs to them, the tunnel with its table and rules.
 * What VMs are reached by otherwise stays, as the routers keep what they had from it. The numbers are those of forward/entries.ts and
 * forward/wire/.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "janitor.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define OWN_PROTOCOL 179
#define STRAGGLER_PROTOCOL 180
#define OWN_METRIC 10
#define INNER_TABLE 179
#define NO_RETURN_TABLE 180
#define TUNNEL "lf-stragglers"
#define ROUNDS 3
#define ENTRIES_AT_MOST 200000

/* A route, a neighbour or a proxy entry. */
struct entry {
  uint8_t family;
  uint8_t protocol;
  uint8_t address[16];
  uint32_t table; /* of a route */
  int ifindex;    /* of an inner route or a neighbour */
};

struct list {
  struct entry *entries;
  size_t count, room;
};

struct request {
  struct nlmsghdr header;
  char body[256];
};

static uint32_t sequence;
static bool refused;

static bool add(struct list *list, const struct entry *entry) {
  if (list->count == list->room) {
    const size_t room = list->room == 0 ? 64 : list->room * 2;
    struct entry *more = room > ENTRIES_AT_MOST ? NULL : realloc(list->entries, room * sizeof *more);
    if (more == NULL) return false;
    list->entries = more;
    list->room = room;
  }
  list->entries[list->count++] = *entry;
  return true;
}

static size_t octets_of(int family) {
  return family == AF_INET ? 4 : 16;
}

static bool same_address(const struct entry *a, const struct entry *b) {
  return a->family == b->family && memcmp(a->address, b->address, octets_of(a->family)) == 0;
}

static void put(struct request *request, int type, const void *value, size_t octets) {
  struct rtattr *attribute = (struct rtattr *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));
  attribute->rta_type = (unsigned short)type;
  attribute->rta_len = (unsigned short)RTA_LENGTH(octets);
  memcpy(RTA_DATA(attribute), value, octets);
  request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
}

static void *begin(struct request *request, int type, int flags, size_t octets) {
  memset(request, 0, sizeof *request);
  request->header = (struct nlmsghdr){.nlmsg_len = NLMSG_LENGTH(octets), .nlmsg_type = (uint16_t)type, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags), .nlmsg_seq = ++sequence};
  return NLMSG_DATA(&request->header);
}

/* Keeps a route that is to go. False: there is no room. */
static bool take_route(const struct nlmsghdr *header, struct list *list) {
  const struct rtmsg *route = NLMSG_DATA(header);
  struct entry entry = {.family = route->rtm_family, .protocol = route->rtm_protocol, .table = route->rtm_table};
  uint32_t metric = 0;
  bool addressed = false;
  int left = RTM_PAYLOAD(header);
  if ((entry.family != AF_INET && entry.family != AF_INET6) || route->rtm_dst_len != octets_of(entry.family) * 8) return true;
  for (const struct rtattr *a = RTM_RTA(route); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
    if (a->rta_type == RTA_DST && RTA_PAYLOAD(a) == octets_of(entry.family)) {
      memcpy(entry.address, RTA_DATA(a), octets_of(entry.family));
      addressed = true;
    } else if (a->rta_type == RTA_PRIORITY && RTA_PAYLOAD(a) == 4) {
      memcpy(&metric, RTA_DATA(a), 4);
    } else if (a->rta_type == RTA_TABLE && RTA_PAYLOAD(a) == 4) {
      memcpy(&entry.table, RTA_DATA(a), 4);
    } else if (a->rta_type == RTA_OIF && RTA_PAYLOAD(a) == 4) {
      memcpy(&entry.ifindex, RTA_DATA(a), 4);
    }
  }
  if (!addressed || metric != OWN_METRIC) return true;
  if (entry.table == RT_TABLE_MAIN && entry.protocol == STRAGGLER_PROTOCOL) return add(list, &entry);
  if (entry.table == INNER_TABLE && entry.protocol == OWN_PROTOCOL) return add(list, &entry);
  return true;
}

static bool take_neighbour(const struct nlmsghdr *header, struct list *list) {
  const struct ndmsg *neighbour = NLMSG_DATA(header);
  struct entry entry = {.family = neighbour->ndm_family, .ifindex = neighbour->ndm_ifindex};
  bool addressed = false;
  int left = (int)header->nlmsg_len - (int)NLMSG_LENGTH(sizeof *neighbour);
  if (entry.family != AF_INET && entry.family != AF_INET6) return true;
  for (const struct rtattr *a = (const struct rtattr *)((const char *)neighbour + NLMSG_ALIGN(sizeof *neighbour)); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
    if (a->rta_type == NDA_DST && RTA_PAYLOAD(a) == octets_of(entry.family)) {
      memcpy(entry.address, RTA_DATA(a), octets_of(entry.family));
      addressed = true;
    } else if (a->rta_type == NDA_PROTOCOL && RTA_PAYLOAD(a) == 1) {
      memcpy(&entry.protocol, RTA_DATA(a), 1);
    }
  }
  return !addressed || entry.protocol != OWN_PROTOCOL || add(list, &entry);
}

/* Sends one request and reads to the end of its answer. Returns 0 or an errno; what a dump tells goes to `take`. */
static int ask(int fd, struct request *request, bool (*take)(const struct nlmsghdr *, struct list *), struct list *list) {
  static _Alignas(struct nlmsghdr) char answer[65536];
  if (send(fd, request, request->header.nlmsg_len, 0) < 0) return errno;
  for (;;) {
    ssize_t length = recv(fd, answer, sizeof answer, 0);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return errno;
    for (const struct nlmsghdr *header = (const struct nlmsghdr *)answer; NLMSG_OK(header, (size_t)length); header = NLMSG_NEXT(header, length)) {
      if (header->nlmsg_seq != sequence) continue;
      if (header->nlmsg_type == NLMSG_DONE) return 0;
      if (header->nlmsg_type == NLMSG_ERROR) return -((const struct nlmsgerr *)NLMSG_DATA(header))->error;
      if (take != NULL && !take(header, list)) return ENOMEM;
    }
  }
}

/* What is not there any more has gone as it should. */
static void tell(int fd, struct request *request) {
  const int error = ask(fd, request, NULL, NULL);
  if (error != 0 && error != ENOENT && error != ESRCH && error != ENODEV && error != EADDRNOTAVAIL) refused = true;
}

static bool list_routes(int fd, int family, struct list *list) {
  struct request request;
  struct rtmsg *route = begin(&request, RTM_GETROUTE, NLM_F_DUMP, sizeof *route);
  route->rtm_family = (unsigned char)family;
  return ask(fd, &request, take_route, list) == 0;
}

static bool list_neighbours(int fd, int flags, struct list *list) {
  struct request request;
  struct ndmsg *neighbour = begin(&request, RTM_GETNEIGH, NLM_F_DUMP, sizeof *neighbour);
  neighbour->ndm_flags = (uint8_t)flags;
  return ask(fd, &request, take_neighbour, list) == 0;
}

/* Keeps the rules that lead from the fabric to the table of what must not go back there. */
static bool take_rule(const struct nlmsghdr *header, struct list *list) {
  const struct fib_rule_hdr *rule = NLMSG_DATA(header);
  struct entry entry = {.family = rule->family, .table = rule->table};
  bool tunnel = false;
  int left = (int)header->nlmsg_len - (int)NLMSG_LENGTH(sizeof *rule);
  for (const struct rtattr *a = (const struct rtattr *)((const char *)rule + NLMSG_ALIGN(sizeof *rule)); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
    if (a->rta_type == FRA_TABLE && RTA_PAYLOAD(a) == 4) memcpy(&entry.table, RTA_DATA(a), 4);
    else if (a->rta_type == FRA_PROTOCOL && RTA_PAYLOAD(a) == 1) memcpy(&entry.protocol, RTA_DATA(a), 1);
    else if (a->rta_type == FRA_IIFNAME) tunnel = RTA_PAYLOAD(a) == sizeof TUNNEL && memcmp(RTA_DATA(a), TUNNEL, sizeof TUNNEL) == 0;
  }
  return entry.table != NO_RETURN_TABLE || entry.protocol != OWN_PROTOCOL || tunnel || add(list, &entry);
}

/* Whether the node routes for its VMs, so that what comes from the fabric for one elsewhere could go back there. */
static bool has_rules(int fd, int family) {
  struct list rules = {0};
  struct request request;
  struct fib_rule_hdr *rule = begin(&request, RTM_GETRULE, NLM_F_DUMP, sizeof *rule);
  bool found;
  rule->family = (uint8_t)family;
  found = ask(fd, &request, take_rule, &rules) == 0 && rules.count > 0;
  free(rules.entries);
  return found;
}

/* What a living speaker has for a VM elsewhere: a router that is late still, or that fell back on this node's route, gets nothing back. */
static void drop_from_fabric(int fd, const struct entry *entry) {
  static const uint32_t metric = OWN_METRIC;
  struct request request;
  struct rtmsg *route = begin(&request, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, sizeof *route);
  *route = (struct rtmsg){.rtm_family = entry->family, .rtm_dst_len = (uint8_t)(octets_of(entry->family) * 8), .rtm_table = NO_RETURN_TABLE, .rtm_protocol = OWN_PROTOCOL, .rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_BLACKHOLE};
  put(&request, RTA_DST, entry->address, octets_of(entry->family));
  put(&request, RTA_PRIORITY, &metric, sizeof metric);
  tell(fd, &request);
}

static void remove_route(int fd, const struct entry *entry) {
  static const uint32_t metric = OWN_METRIC;
  struct request request;
  struct rtmsg *route = begin(&request, RTM_DELROUTE, NLM_F_ACK, sizeof *route);
  *route = (struct rtmsg){.rtm_family = entry->family, .rtm_dst_len = (uint8_t)(octets_of(entry->family) * 8), .rtm_table = (uint8_t)entry->table, .rtm_protocol = entry->protocol, .rtm_scope = RT_SCOPE_NOWHERE};
  put(&request, RTA_DST, entry->address, octets_of(entry->family));
  put(&request, RTA_PRIORITY, &metric, sizeof metric);
  tell(fd, &request);
}

static void remove_neighbour(int fd, const struct entry *entry, int flags) {
  struct request request;
  struct ndmsg *neighbour = begin(&request, RTM_DELNEIGH, NLM_F_ACK, sizeof *neighbour);
  *neighbour = (struct ndmsg){.ndm_family = entry->family, .ndm_ifindex = entry->ifindex, .ndm_flags = (uint8_t)flags};
  put(&request, NDA_DST, entry->address, octets_of(entry->family));
  tell(fd, &request);
}

/*
 * With a route for late packets the node answers ARP and ND for the VM; with one for a VM that has not run here yet goes its neighbour entry.
 * What belongs to the other routes stays.
 */
static void remove_neighbours_of(int fd, const struct list *routes, bool proxies) {
  const int flags = proxies ? NTF_PROXY : 0;
  struct list neighbours = {0};
  if (!list_neighbours(fd, flags, &neighbours)) refused = true;
  for (size_t i = 0; i < neighbours.count; i++) {
    const struct entry *neighbour = &neighbours.entries[i];
    for (size_t j = 0; j < routes->count; j++) {
      const struct entry *route = &routes->entries[j];
      const bool belongs = proxies ? route->protocol == STRAGGLER_PROTOCOL : route->table == INNER_TABLE && route->ifindex == neighbour->ifindex;
      if (!belongs || !same_address(route, neighbour)) continue;
      remove_neighbour(fd, neighbour, flags);
      break;
    }
  }
  free(neighbours.entries);
}

static void remove_tunnel(int fd) {
  static const int families[] = {AF_INET, AF_INET6};
  static const uint32_t tables[] = {INNER_TABLE, NO_RETURN_TABLE}; /* the rules' preferences, too */
  static const uint8_t protocol = OWN_PROTOCOL;
  struct request request;
  begin(&request, RTM_DELLINK, NLM_F_ACK, sizeof(struct ifinfomsg));
  put(&request, IFLA_IFNAME, TUNNEL, sizeof TUNNEL);
  tell(fd, &request);
  for (size_t i = 0; i < 4; i++) {
    const uint32_t table = tables[i / 2];
    struct fib_rule_hdr *rule = begin(&request, RTM_DELRULE, NLM_F_ACK, sizeof *rule);
    *rule = (struct fib_rule_hdr){.family = (uint8_t)families[i % 2], .table = (uint8_t)table, .action = FR_ACT_TO_TBL};
    put(&request, FRA_IIFNAME, TUNNEL, sizeof TUNNEL);
    put(&request, FRA_PRIORITY, &table, sizeof table);
    put(&request, FRA_PROTOCOL, &protocol, sizeof protocol);
    tell(fd, &request);
  }
}

bool sweep(void) {
  const struct timeval patience = {.tv_sec = 5};
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return false;
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const bool drops[] = {has_rules(fd, AF_INET), has_rules(fd, AF_INET6)};
  /* A table that changes while it is read may be told in part: once more, until there is nothing. */
  for (int round = 0; round < ROUNDS; round++) {
    struct list routes = {0};
    refused = !list_routes(fd, AF_INET, &routes);
    if (!list_routes(fd, AF_INET6, &routes)) refused = true;
    if (routes.count == 0 && !refused) break;
    remove_neighbours_of(fd, &routes, true);
    remove_neighbours_of(fd, &routes, false);
    for (size_t i = 0; i < routes.count; i++) {
      const struct entry *route = &routes.entries[i];
      if (route->protocol == STRAGGLER_PROTOCOL && drops[route->family == AF_INET6]) drop_from_fabric(fd, route);
      remove_route(fd, route);
    }
    free(routes.entries);
  }
  remove_tunnel(fd);
  close(fd);
  return !refused;
}
