/* System calls that answer -errno and touch nothing else.
 *
 * The child of spawn.c shares the memory of its parent, thread-local storage
 * included, while the parent goes on running. libc's wrappers would write the
 * child's failures into the errno of the thread that cloned it; these do not.
 */
#ifndef NSEXPLORE_RAWSYS_H
#define NSEXPLORE_RAWSYS_H

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
