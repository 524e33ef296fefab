;; How the threads take a step together.

;; Waits until all threads are here. A short wait costs less awake; a long one would take a processor from others. Two
;; minutes asleep mean that a thread is gone, which is better an error than a wait for good; the first of them does not
;; count, as all may have been stopped.
(func $barrier
  (local $number i32) (local $patience i32) (local $minutes i32)
  (local.set $number (i32.atomic.load (i32.const 8)))
  ;; A thread that failed before this one came here moved the number already.
  (if (i32.atomic.load (i32.const 20)) (then (unreachable)))
  (if (i32.eq (i32.add (i32.atomic.rmw.add (i32.const 4) (i32.const 1)) (i32.const 1)) (i32.load (i32.const 24)))
    (then
      (i32.atomic.store (i32.const 4) (i32.const 0))
      (drop (i32.atomic.rmw.add (i32.const 8) (i32.const 1)))
      (if (i32.atomic.load (i32.const 12))
        (then (drop (memory.atomic.notify (i32.const 8) (i32.const -1)))))
      (return)))
  (local.set $patience (i32.const 20000))
  (loop $wait
    (if (i32.ne (i32.atomic.load (i32.const 8)) (local.get $number))
      (then
        ;; A thread that failed lets the others out, and says so before.
        (if (i32.atomic.load (i32.const 20)) (then (unreachable)))
        (return)))
    (br_if $wait (local.tee $patience (i32.sub (local.get $patience) (i32.const 1))))
    (drop (i32.atomic.rmw.add (i32.const 12) (i32.const 1)))
    (if (i32.eq (memory.atomic.wait32 (i32.const 8) (local.get $number) (i64.const 60_000_000_000)) (i32.const 2))
      (then
        (local.set $minutes (i32.add (local.get $minutes) (i32.const 1)))
        (if (i32.eq (local.get $minutes) (i32.const 2)) (then (unreachable)))))
    (drop (i32.atomic.rmw.sub (i32.const 12) (i32.const 1)))
    (local.set $patience (i32.const 1))
    (br $wait)))

;; One step, by the thread that has the first program; the others carry out theirs at the same time.
(func (export "step")
  (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
  (drop (memory.atomic.notify (i32.const 0) (i32.const -1)))
  (call $run (i32.load (i32.const 64))))

;; What another thread does: its program in every step from number $seen + 1 on, until word 20 says stop.
(func (export "serve") (param $thread i32) (param $seen i32)
  (local $patience i32)
  (loop $again
    (local.set $patience (i32.const 200000))
    (loop $wait
      (if (i32.eq (i32.atomic.load (i32.const 0)) (local.get $seen))
        (then
          (br_if $wait (local.tee $patience (i32.sub (local.get $patience) (i32.const 1))))
          (drop (memory.atomic.wait32 (i32.const 0) (local.get $seen) (i64.const -1)))
          (local.set $patience (i32.const 1))
          (br $wait))))
    (local.set $seen (i32.atomic.load (i32.const 0)))
    (if (i32.atomic.load (i32.const 20)) (then (return)))
    (call $run (i32.load (i32.add (i32.const 64) (i32.shl (local.get $thread) (i32.const 2)))))
    (br $again)))
