;; Decoding steps of one sequence, by one or more threads over one memory. A program is a list of instructions of 16 words,
;; an operation's number and its arguments, mostly addresses; each thread has one (solo-program.ts writes them). Vectors are
;; float32 in whole blocks of 64, padded with zeros, which every operation here leaves zero.
(module
  (import "evoke" "memory" (memory 1 65536 shared))

  ;; Words at the beginning of the memory (solo-memory.ts: STATE):
  ;;   0 number of the step   4 threads at the barrier   8 number of the barrier   12 sleepers at the barrier
  ;;   16 positions in the cache   20 not 0: workers end   24 number of threads   64 … 127 addresses of the threads' programs
  ;; From byte 320 on: the constants of $exponentials, each four times.

  (include "threads.wat")
  (include "run.wat")
  (include "product.wat")
  (include "attention.wat")
  (include "vectors.wat")
)
