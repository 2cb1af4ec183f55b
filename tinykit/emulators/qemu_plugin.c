// SPDX-License-Identifier: Apache-2.0
// A QEMU plugin that counts instructions and writes the count each time one of a few addresses is
// about to execute: "<mark> <instructions before it>" a line.
//
//   -plugin file=....so,log=FILE,mark=ADDRESS,mark=ADDRESS,...   (marks are numbered from 0)
//
// QEMU translates code in blocks. A block's whole length is added as it is entered, which is one
// addition a block; at a mark within it, what lies from the mark to the block's end is taken off.
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// QEMU's plugin interface, version 1: its header is not packaged, so what is used is declared.
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

typedef struct {
    const char *target_name;
    struct {
        int min;
        int cur;
    } version;
    bool system_emulation;
    union {
        struct {
            int smp_vcpus;
            int max_vcpus;
        } system;
    };
} qemu_info_t;

enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                                  void (*callback)(qemu_plugin_id_t id,
                                                                   struct qemu_plugin_tb *tb));
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb,
                                                     enum qemu_plugin_op op, void *counter,
                                                     uint64_t value);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
                                                   void (*callback)(unsigned vcpu, void *data),
                                                   enum qemu_plugin_cb_flags flags, void *data);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb,
                                                        size_t index);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { MAX_MARKS = 16 };

static uint64_t executed;
static uint64_t marks[MAX_MARKS];
static size_t mark_count;
static FILE *record;

// One place where a mark was translated.
struct site {
    size_t mark;
    // Instructions of the block from the mark on, which were added too early.
    uint64_t ahead;
};

static void at_mark(unsigned vcpu, void *data)
{
    const struct site *site = data;
    (void)vcpu;
    fprintf(record, "%zu %" PRIu64 "\n", site->mark, executed - site->ahead);
    fflush(record);
}

static void watch(struct qemu_plugin_insn *insn, uint64_t ahead)
{
    for (size_t mark = 0; mark < mark_count; ++mark) {
        if (qemu_plugin_insn_vaddr(insn) == marks[mark]) {
            // Never freed: QEMU may keep the block, and its pointer, until it ends.
            struct site *site = malloc(sizeof *site);
            if (site == NULL) {
                abort();
            }
            site->mark = mark;
            site->ahead = ahead;
            qemu_plugin_register_vcpu_insn_exec_cb(insn, at_mark, QEMU_PLUGIN_CB_NO_REGS, site);
        }
    }
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    const size_t length = qemu_plugin_tb_n_insns(tb);
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &executed, length);
    for (size_t i = 0; i < length; ++i) {
        watch(qemu_plugin_tb_get_insn(tb, i), length - i);
    }
}

__attribute__((visibility("default"))) int
qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; ++i) {
        if (strncmp(argv[i], "log=", 4) == 0) {
            record = fopen(argv[i] + 4, "w");
        } else if (strncmp(argv[i], "mark=", 5) == 0 && mark_count < MAX_MARKS) {
            marks[mark_count++] = strtoull(argv[i] + 5, NULL, 0);
        } else {
            fprintf(stderr, "tinykit plugin: unknown argument %s\n", argv[i]);
            return -1;
        }
    }
    if (record == NULL) {
        fprintf(stderr, "tinykit plugin: no log file\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
