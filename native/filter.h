/*
 * Which frames the kernel hands to the capture: classic BPF over what follows the outermost 802.1Q tag (the kernel has taken
 * that one out before the filter runs). bench/floor.c uses the same filter, so that both are measured on the same work.
 *
 *   passes                           because
 *   ARP 0x0806, RARP 0x8035          a VM's announcement, or ordinary ARP (any-arp)
 *   ICMPv6 136 NA                    a VM's announcement
 *   ICMPv6 135 NS                    of a VM's own address: as ordinary ARP; from :: it names who speaks too early (DAD)
 *   ICMPv6 133 RS                    no evidence, but names who speaks too early (a pod's kernel)
 *   MLD 131, 132, 143 (hop-by-hop)   likewise
 *
 * each untagged or behind one more tag: a frame with two tags is refused later, by name, instead of vanishing here.
 * Dropped: what this host itself sent or looped back, and interfaces without an Ethernet header.
 */
#ifndef LANDFALL_FILTER_H
#define LANDFALL_FILTER_H

#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <stdint.h>

#define FRAME_SNAP 256 /* longer than any frame that passes needs to be read */

#define SKB(field) ((uint32_t)(SKF_AD_OFF + (field)))
#define LOAD8(at) BPF_STMT(BPF_LD | BPF_B | BPF_ABS, at)
#define LOAD16(at) BPF_STMT(BPF_LD | BPF_H | BPF_ABS, at)
#define LOAD8_X(at) BPF_STMT(BPF_LD | BPF_B | BPF_IND, at)
#define SET_X(value) BPF_STMT(BPF_LDX | BPF_IMM, value)
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define PASS_NUMBER 31 /* positions of the last two instructions; jumps are relative to the next one */
#define DROP_NUMBER 32
#define PASS(here) (PASS_NUMBER - (here)-1)
#define DROP(here) (DROP_NUMBER - (here)-1)

static struct sock_filter frame_filter[] = {
    /*  0 */ LOAD16(SKB(SKF_AD_HATYPE)),
    /*  1 */ IF_EQUAL(ARPHRD_ETHER, 0, DROP(1)),
    /*  2 */ LOAD8(SKB(SKF_AD_PKTTYPE)),
    /*  3 */ IF_EQUAL(PACKET_OUTGOING, DROP(3), 0),
    /*  4 */ IF_EQUAL(PACKET_LOOPBACK, DROP(4), 0),
    /*  5 */ SET_X(0),
    /*  6 */ LOAD16(12),
    /*  7 */ IF_EQUAL(0x8100, 2, 0), /* 802.1Q */
    /*  8 */ IF_EQUAL(0x88a8, 1, 0), /* 802.1ad */
    /*  9 */ IF_EQUAL(0x9100, 0, 2), /* its forerunner */
    /* 10 */ SET_X(4),
    /* 11 */ LOAD16(16),
    /* 12 */ IF_EQUAL(0x0806, PASS(12), 0),
    /* 13 */ IF_EQUAL(0x8035, PASS(13), 0),
    /* 14 */ IF_EQUAL(0x86dd, 0, DROP(14)),
    /* 15 */ LOAD8_X(20), /* IPv6 Next Header */
    /* 16 */ IF_EQUAL(0, 5, 0), /* hop-by-hop: 22 */
    /* 17 */ IF_EQUAL(58, 0, DROP(17)),
    /* 18 */ LOAD8_X(54), /* ICMPv6 Type */
    /* 19 */ IF_EQUAL(133, PASS(19), 0),
    /* 20 */ IF_EQUAL(135, PASS(20), 0),
    /* 21 */ IF_EQUAL(136, PASS(21), DROP(21)),
    /* 22 */ LOAD8_X(54), /* Next Header of the hop-by-hop header */
    /* 23 */ IF_EQUAL(58, 0, DROP(23)),
    /* 24 */ LOAD8_X(55), /* its length: 0 is the eight octets of the Router Alert that MLD has (RFC 3810 section 5) */
    /* 25 */ IF_EQUAL(0, 0, DROP(25)),
    /* 26 */ LOAD8_X(62), /* ICMPv6 Type */
    /* 27 */ IF_EQUAL(131, PASS(27), 0),
    /* 28 */ IF_EQUAL(132, PASS(28), 0),
    /* 29 */ IF_EQUAL(143, PASS(29), 0),
    /* 30 */ BPF_STMT(BPF_RET | BPF_K, 0),
    /* 31 */ BPF_STMT(BPF_RET | BPF_K, FRAME_SNAP),
    /* 32 */ BPF_STMT(BPF_RET | BPF_K, 0),
};

static const struct sock_fprog frame_filter_program = {
    .len = sizeof frame_filter / sizeof frame_filter[0],
    .filter = frame_filter,
};

#endif
