/*
 * What runs inside the VM, as src/demo/guest.ts does where the VM is a namespace: a TCP server on port 7001 that sends a number of
 * eight octets every 10 ms and checks those that it gets, and a UDP echo on port 7. Linked statically; init starts it.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { most = 8, every_ms = 10, batch = 64 };

/* One TCP connection: what was sent, what must come next, and the octets of a number that has not come whole. */
struct stream {
	int fd;
	uint64_t sent, expected;
	size_t have;
	unsigned char part[8];
};

static int open_port(int type, int port)
{
	/* Room for some seconds of probes: what piles up while the VM is slow shall not be lost here. */
	int on = 1, off = 0, room = 8 << 20, fd = socket(AF_INET6, type, 0);
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_any };

	if (fd < 0
	    || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0
	    || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0
	    || (type == SOCK_DGRAM && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
	    || bind(fd, (struct sockaddr *)&any, sizeof any) < 0
	    || (type == SOCK_STREAM && listen(fd, most) < 0)
	    || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		perror("guest: socket");
		exit(1);
	}
	return fd;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Many at a time, so that a backlog is worked off quickly; and no more than these, so that the streams have their turn. */
static void echo_some(int fd)
{
	static char packets[batch][2048];
	static struct sockaddr_in6 from[batch];
	struct iovec parts[batch];
	struct mmsghdr messages[batch];
	int got;

	for (int i = 0; i < batch; i++) {
		parts[i] = (struct iovec){ packets[i], sizeof packets[i] };
		messages[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &parts[i], .msg_iovlen = 1 } };
	}
	got = recvmmsg(fd, messages, batch, 0, NULL);
	for (int i = 0; i < got; i++)
		parts[i].iov_len = messages[i].msg_len;
	/* One that cannot be sent ends the call: the others still shall be. */
	for (int sent = 0; sent < got;) {
		int done = sendmmsg(fd, messages + sent, (unsigned)(got - sent), 0);

		sent += done > 0 ? done : 1;
	}
}

static void accept_one(int fd, struct stream *streams)
{
	int on = 1, peer = accept(fd, NULL, NULL);

	if (peer < 0)
		return;
	for (int i = 0; i < most; i++) {
		if (streams[i].fd >= 0)
			continue;
		setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		fcntl(peer, F_SETFL, O_NONBLOCK);
		streams[i] = (struct stream){ .fd = peer };
		return;
	}
	close(peer);
}

static void end_stream(struct stream *s, const char *why)
{
	printf("guest: stream ends: %s\n", why);
	close(s->fd);
	s->fd = -1;
}

static void check_records(struct stream *s)
{
	unsigned char bytes[4096];
	uint64_t number;
	ssize_t got;

	while ((got = recv(s->fd, bytes, sizeof bytes, 0)) > 0) {
		for (ssize_t i = 0; i < got; i++) {
			s->part[s->have++] = bytes[i];
			if (s->have < sizeof s->part)
				continue;
			s->have = 0;
			memcpy(&number, s->part, sizeof number);
			if (be64toh(number) != s->expected++) {
				end_stream(s, "a number that is not the next");
				return;
			}
		}
	}
	if (got == 0)
		end_stream(s, "closed by the client");
	else if (errno != EAGAIN)
		end_stream(s, strerror(errno));
}

/* A full socket buffer while the client is out of reach: the number waits, none is left out. */
static void send_record(struct stream *s)
{
	uint64_t number = htobe64(s->sent);
	ssize_t done = send(s->fd, &number, sizeof number, MSG_NOSIGNAL);

	if (done == (ssize_t)sizeof number)
		s->sent++;
	else if (done >= 0 || errno != EAGAIN)
		end_stream(s, done >= 0 ? "half a number sent" : strerror(errno));
}

int main(void)
{
	struct stream streams[most];
	struct pollfd fds[most + 2];
	int udp = open_port(SOCK_DGRAM, 7), tcp = open_port(SOCK_STREAM, 7001);
	int64_t due = now_ms() + every_ms;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < most; i++)
		streams[i].fd = -1;
	printf("guest: ready\n");
	for (;;) {
		int64_t left = due - now_ms();

		for (int i = 0; i < most; i++)
			fds[i] = (struct pollfd){ .fd = streams[i].fd, .events = POLLIN };
		fds[most] = (struct pollfd){ .fd = udp, .events = POLLIN };
		fds[most + 1] = (struct pollfd){ .fd = tcp, .events = POLLIN };
		poll(fds, most + 2, left > 0 ? (int)left : 0);
		if (fds[most].revents)
			echo_some(udp);
		for (int i = 0; i < most; i++)
			if (streams[i].fd >= 0 && fds[i].revents)
				check_records(&streams[i]);
		if (fds[most + 1].revents)
			accept_one(tcp, streams);
		if (now_ms() < due)
			continue;
		/* After a pause of the whole VM its clock jumps: go on from now instead of making up for it. */
		due += every_ms;
		if (due < now_ms())
			due = now_ms() + every_ms;
		for (int i = 0; i < most; i++)
			if (streams[i].fd >= 0)
				send_record(&streams[i]);
	}
}
