/* Makes a process believe that its processor has no vector instructions beyond AVX2.
 *
 * Preloaded (LD_PRELOAD) into a program that chooses its kernels by CPUID, on Linux on x86-64 with
 * CPUID faulting (`cpuid_fault` in /proc/cpuinfo). CPUID then raises a signal in this process and
 * in all threads that it starts; the handler executes it and clears the bits of AVX-512, AVX-VNNI,
 * AVX10 and AMX. This caps every library alike, whatever variables it reads.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define BIT(n) (1u << (n))

/* As an instruction, since errno belongs to the interrupted code. */
static long set_cpuid(unsigned long enabled) {
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(SYS_arch_prctl), "D"((long)ARCH_SET_CPUID), "S"(enabled)
                   : "rcx", "r11", "memory");
  return result;
}

static void capped_cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4]) {
  __cpuid_count(leaf, sub, out[0], out[1], out[2], out[3]);
  if (leaf == 7 && sub == 0) {
    out[1] &= ~(BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31));
    out[2] &= ~(BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14));
    out[3] &= ~(BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25));
  } else if (leaf == 7 && sub == 1) {
    out[0] &= ~(BIT(4) | BIT(5) | BIT(21) | BIT(23));
    out[3] &= ~(BIT(4) | BIT(5) | BIT(8) | BIT(10) | BIT(19));
  } else if (leaf == 0x1e || leaf == 0x24) {
    memset(out, 0, 4 * sizeof *out);
  }
}

static void on_fault(int number, siginfo_t *info, void *context) {
  (void)info;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  const unsigned char *at = (const unsigned char *)registers[REG_RIP];
  if (at[0] != 0x0f || at[1] != 0xa2) {  /* no CPUID: a real fault, which ends the process */
    signal(number, SIG_DFL);
    return;
  }
  uint32_t out[4];
  set_cpuid(1);
  capped_cpuid((uint32_t)registers[REG_RAX], (uint32_t)registers[REG_RCX], out);
  set_cpuid(0);
  registers[REG_RAX] = out[0];
  registers[REG_RBX] = out[1];
  registers[REG_RCX] = out[2];
  registers[REG_RDX] = out[3];
  registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void begin(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  if (sigaction(SIGSEGV, &action, NULL) != 0 || set_cpuid(0) != 0) {
    static const char message[] = "cpuid_cap: this processor or kernel has no CPUID faulting\n";
    (void)!write(2, message, sizeof message - 1);
    _exit(70);
  }
}
