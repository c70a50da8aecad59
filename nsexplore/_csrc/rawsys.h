/* System calls that answer -errno and touch nothing else.
 *
 * The child of spawn.c shares the memory of its parent, thread-local storage
 * included, while the parent goes on running. libc's wrappers would write the
 * child's failures into the errno of the thread that cloned it; these do not.
 */
#ifndef NSEXPLORE_RAWSYS_H
#define NSEXPLORE_RAWSYS_H

#include <sys/syscall.h>

#if defined(__x86_64__)

static inline long rawsys(long number, long a, long b, long c, long d, long e)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    __asm__ __volatile__("syscall"
                         : "=a"(result)
                         : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                         : "rcx", "r11", "memory");
    return result;
}

/* clone(2) of a process that goes on in the caller's place, on the caller's stack. The caller
 * ends at once, in registers alone: that stack is not its own any more. Where clone fails
 * there is no other process, and the caller gets -errno. */
static inline long rawsys_clone_and_go(unsigned long flags, volatile int *parent_tid)
{
    long result;
    __asm__ __volatile__("syscall\n\t"
                         "test %%rax, %%rax\n\t"
                         "jle 2f\n"
                         "1:\n\t"
                         "mov %[exit], %%eax\n\t"
                         "xor %%edi, %%edi\n\t"
                         "syscall\n\t"
                         "jmp 1b\n"
                         "2:"
                         : "=a"(result), "+D"(flags)
                         : "a"(SYS_clone), "S"(0L), "d"(parent_tid), [exit] "i"(SYS_exit_group)
                         : "rcx", "r10", "r8", "r11", "memory", "cc");
    return result;
}

#elif defined(__aarch64__)

static inline long rawsys(long number, long a, long b, long c, long d, long e)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    __asm__ __volatile__("svc 0"
                         : "+r"(x0)
                         : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
                         : "memory", "cc");
    return x0;
}

/* See above. */
static inline long rawsys_clone_and_go(unsigned long flags, volatile int *parent_tid)
{
    register long x8 __asm__("x8") = SYS_clone;
    register long x0 __asm__("x0") = (long)flags;
    register long x1 __asm__("x1") = 0;
    register long x2 __asm__("x2") = (long)parent_tid;
    __asm__ __volatile__("svc 0\n\t"
                         "cmp x0, #0\n\t"
                         "b.le 2f\n"
                         "1:\n\t"
                         "mov x8, %[exit]\n\t"
                         "mov x0, #0\n\t"
                         "svc 0\n\t"
                         "b 1b\n"
                         "2:"
                         : "+r"(x0), "+r"(x8)
                         : "r"(x1), "r"(x2), [exit] "i"(SYS_exit_group)
                         : "memory", "cc");
    return x0;
}

#else
#error "the spawner is written for x86_64 and aarch64"
#endif

#define sys0(n) rawsys(n, 0, 0, 0, 0, 0)
#define sys1(n, a) rawsys(n, (long)(a), 0, 0, 0, 0)
#define sys2(n, a, b) rawsys(n, (long)(a), (long)(b), 0, 0, 0)
#define sys3(n, a, b, c) rawsys(n, (long)(a), (long)(b), (long)(c), 0, 0)
#define sys4(n, a, b, c, d) rawsys(n, (long)(a), (long)(b), (long)(c), (long)(d), 0)
#define sys5(n, a, b, c, d, e) rawsys(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))

#endif
