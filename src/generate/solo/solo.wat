;; Decoding steps of one sequence, by one or more threads over one memory. A program is a list of instructions of 16 words,
;; an operation's number and its arguments, mostly addresses; each thread has one (solo-program.ts writes them). Vectors are
;; float32 in whole blocks of 64, padded with zeros, which every operation here leaves zero.
(module
  (import "evoke" "memory" (memory 1 65536 shared))

  ;; Words at the beginning of the memory (solo-memory.ts: STATE):
  ;;   0 number of the step   4 threads at the barrier   8 number of the barrier   12 sleepers at the barrier
  ;;   16 positions in the cache   20 not 0: workers end   24 number of threads   64 … 319 addresses of the threads' programs
  ;; From byte 320 on: the constants of $exponentials, each four times.

  ;; Waits until all threads are here. A short wait costs less awake; a long one would take a processor from others. Two
  ;; minutes asleep mean that a thread is gone, which is better an error than a wait for good; the first of them does not
  ;; count, as all may have been stopped.
  (func $barrier
    (local $number i32) (local $patience i32) (local $minutes i32)
    (local.set $number (i32.atomic.load (i32.const 8)))
    (if (i32.eq (i32.add (i32.atomic.rmw.add (i32.const 4) (i32.const 1)) (i32.const 1)) (i32.load (i32.const 24)))
      (then
        (i32.atomic.store (i32.const 4) (i32.const 0))
        (drop (i32.atomic.rmw.add (i32.const 8) (i32.const 1)))
        (if (i32.atomic.load (i32.const 12))
          (then (drop (memory.atomic.notify (i32.const 8) (i32.const -1)))))
        (return)))
    (local.set $patience (i32.const 20000))
    (loop $wait
      (if (i32.ne (i32.atomic.load (i32.const 8)) (local.get $number)) (then (return)))
      (br_if $wait (local.tee $patience (i32.sub (local.get $patience) (i32.const 1))))
      (drop (i32.atomic.rmw.add (i32.const 12) (i32.const 1)))
      (if (i32.eq (memory.atomic.wait32 (i32.const 8) (local.get $number) (i64.const 60_000_000_000)) (i32.const 2))
        (then
          (local.set $minutes (i32.add (local.get $minutes) (i32.const 1)))
          (if (i32.eq (local.get $minutes) (i32.const 2)) (then (unreachable)))))
      (drop (i32.atomic.rmw.sub (i32.const 12) (i32.const 1)))
      (local.set $patience (i32.const 1))
      (br $wait)))

  (func $sum (param $v v128) (result f32)
    (f32.add
      (f32.add (f32x4.extract_lane 0 (local.get $v)) (f32x4.extract_lane 1 (local.get $v)))
      (f32.add (f32x4.extract_lane 2 (local.get $v)) (f32x4.extract_lane 3 (local.get $v)))))

  ;; x = e^x in place, to about 2 units in the last place (the polynomial of Cephes' expf); x is limited to ±60, so that no
  ;; share of attention makes denormal numbers, which are slow. A float32
  ;; plus 1.5 · 2²³ + 127 is rounded to a whole number, and has this number + 127 in its lowest bits: moved to the exponent's
  ;; place they are a power of two. The constants lie in memory, in the order of solo-memory.ts: loading them is faster.
  (func $exponentials (param $x i32) (param $count i32)
    (local $end i32) (local $v v128) (local $z v128) (local $n v128) (local $y v128)
    (local.set $end (i32.add (local.get $x) (i32.shl (local.get $count) (i32.const 2))))
    (loop $four
      (local.set $v
        (f32x4.pmax (f32x4.pmin (v128.load (local.get $x)) (v128.load (i32.const 320))) (v128.load (i32.const 336))))
      (local.set $z (f32x4.add (f32x4.mul (local.get $v) (v128.load (i32.const 352))) (v128.load (i32.const 368))))
      (local.set $n (f32x4.sub (local.get $z) (v128.load (i32.const 368))))
      (local.set $v (f32x4.sub (local.get $v) (f32x4.mul (local.get $n) (v128.load (i32.const 384)))))
      (local.set $v (f32x4.sub (local.get $v) (f32x4.mul (local.get $n) (v128.load (i32.const 400)))))
      (local.set $y (f32x4.add (f32x4.mul (v128.load (i32.const 416)) (local.get $v)) (v128.load (i32.const 432))))
      (local.set $y (f32x4.add (f32x4.mul (local.get $y) (local.get $v)) (v128.load (i32.const 448))))
      (local.set $y (f32x4.add (f32x4.mul (local.get $y) (local.get $v)) (v128.load (i32.const 464))))
      (local.set $y (f32x4.add (f32x4.mul (local.get $y) (local.get $v)) (v128.load (i32.const 480))))
      (local.set $y (f32x4.add (f32x4.mul (local.get $y) (local.get $v)) (v128.load (i32.const 496))))
      (local.set $y (f32x4.add (f32x4.mul (local.get $y) (f32x4.mul (local.get $v) (local.get $v))) (local.get $v)))
      (v128.store (local.get $x)
        (f32x4.mul
          (f32x4.add (local.get $y) (v128.load (i32.const 512)))
          (i32x4.shl (local.get $z) (i32.const 23))))
      (br_if $four (i32.lt_u (local.tee $x (i32.add (local.get $x) (i32.const 16))) (local.get $end)))))

  ;; out = (x − mean) / deviation · weight, or without the mean (RMSNorm) where $layer is 0.
  (func $normalise (param $x i32) (param $weight i32) (param $out i32) (param $count i32) (param $epsilon f32) (param $layer i32)
    (local $end i32) (local $p i32) (local $v v128) (local $sums v128) (local $squares v128) (local $mean f32) (local $inverse f32)
    (local.set $end (i32.add (local.get $x) (i32.shl (local.get $count) (i32.const 2))))
    (local.set $p (local.get $x))
    (loop $four
      (local.set $v (v128.load (local.get $p)))
      (local.set $sums (f32x4.add (local.get $sums) (local.get $v)))
      (local.set $squares (f32x4.add (local.get $squares) (f32x4.mul (local.get $v) (local.get $v))))
      (br_if $four (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 16))) (local.get $end))))
    (if (local.get $layer)
      (then (local.set $mean (f32.div (call $sum (local.get $sums)) (f32.convert_i32_s (local.get $count))))))
    (local.set $inverse
      (f32.div (f32.const 1)
        (f32.sqrt
          (f32.add
            (f32.sub
              (f32.div (call $sum (local.get $squares)) (f32.convert_i32_s (local.get $count)))
              (f32.mul (local.get $mean) (local.get $mean)))
            (local.get $epsilon)))))
    (loop $four
      (v128.store (local.get $out)
        (f32x4.mul
          (f32x4.mul
            (f32x4.sub (v128.load (local.get $x)) (f32x4.splat (local.get $mean)))
            (f32x4.splat (local.get $inverse)))
          (v128.load (local.get $weight))))
      (local.set $out (i32.add (local.get $out) (i32.const 16)))
      (local.set $weight (i32.add (local.get $weight) (i32.const 16)))
      (br_if $four (i32.lt_u (local.tee $x (i32.add (local.get $x) (i32.const 16))) (local.get $end)))))

  ;; Blocks of `size` values to 16-bit codes with one float32 scale each: x ≈ code · scale.
  (func $round (param $x i32) (param $blocks i32) (param $size i32) (param $codes i32) (param $scales i32)
    (local $end i32) (local $p i32) (local $largest v128) (local $most f32) (local $inverse v128) (local $magic v128)
    (local.set $magic (v128.const f32x4 12582912 12582912 12582912 12582912))
    (loop $block
      (local.set $end (i32.add (local.get $x) (i32.shl (local.get $size) (i32.const 2))))
      (local.set $p (local.get $x))
      (local.set $largest (v128.const i32x4 0 0 0 0))
      (loop $four
        (local.set $largest (f32x4.pmax (local.get $largest) (f32x4.abs (v128.load (local.get $p)))))
        (br_if $four (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 16))) (local.get $end))))
      (local.set $most
        (f32.max
          (f32.max (f32x4.extract_lane 0 (local.get $largest)) (f32x4.extract_lane 1 (local.get $largest)))
          (f32.max (f32x4.extract_lane 2 (local.get $largest)) (f32x4.extract_lane 3 (local.get $largest)))))
      (f32.store (local.get $scales) (f32.div (local.get $most) (f32.const 32767)))
      (local.set $inverse (v128.const i32x4 0 0 0 0))
      ;; Below this the inverse would overflow.
      (if (f32.gt (local.get $most) (f32.const 1e-30))
        (then (local.set $inverse (f32x4.splat (f32.div (f32.const 32767) (local.get $most))))))
      ;; Plus 1.5 · 2²³ a float32 is rounded to a whole number, which its lowest bits then are.
      (loop $eight
        (v128.store (local.get $codes)
          (i16x8.narrow_i32x4_s
            (i32x4.sub
              (f32x4.add (f32x4.mul (v128.load (local.get $x)) (local.get $inverse)) (local.get $magic))
              (local.get $magic))
            (i32x4.sub
              (f32x4.add (f32x4.mul (v128.load offset=16 (local.get $x)) (local.get $inverse)) (local.get $magic))
              (local.get $magic))))
        (local.set $codes (i32.add (local.get $codes) (i32.const 16)))
        (br_if $eight (i32.lt_u (local.tee $x (i32.add (local.get $x) (i32.const 32))) (local.get $end))))
      (local.set $scales (i32.add (local.get $scales) (i32.const 4)))
      (br_if $block (local.tee $blocks (i32.sub (local.get $blocks) (i32.const 1))))))

  ;; One row of `product`: the row's sum.
  (func $row (param $w i32) (param $scales i32) (param $x i32) (param $xScales i32) (param $blocks i32) (param $size i32) (result f32)
    (local $end i32) (local $a v128) (local $i v128)
    (loop $block
      (local.set $end (i32.add (local.get $w) (local.get $size)))
      (local.set $i (v128.const i32x4 0 0 0 0))
      (loop $eight
        (local.set $i
          (i32x4.add (local.get $i)
            (i32x4.dot_i16x8_s (v128.load8x8_s (local.get $w)) (v128.load (local.get $x)))))
        (local.set $x (i32.add (local.get $x) (i32.const 16)))
        (br_if $eight (i32.lt_u (local.tee $w (i32.add (local.get $w) (i32.const 8))) (local.get $end))))
      (local.set $a
        (f32x4.add (local.get $a)
          (f32x4.mul (f32x4.convert_i32x4_s (local.get $i))
            (f32x4.splat (f32.mul (f32.load (local.get $scales)) (f32.load (local.get $xScales)))))))
      (local.set $scales (i32.add (local.get $scales) (i32.const 4)))
      (local.set $xScales (i32.add (local.get $xScales) (i32.const 4)))
      (br_if $block (local.tee $blocks (i32.sub (local.get $blocks) (i32.const 1)))))
    (call $sum (local.get $a)))

  ;; y[r] = Σ w[r] · x (+ base[r]) for from ≤ r < to; w in 8-bit codes and x in 16-bit ones, in
  ;; blocks of `size` with one scale.
  ;; Four rows at a time, a quarter of the range apart: the processor then reads ahead in four places at once, which takes
  ;; a row from memory twice as fast as reading one place does.
  (func $product (param $w i32) (param $scales i32) (param $x i32) (param $xScales i32) (param $y i32) (param $base i32)
      (param $blocks i32) (param $size i32) (param $from i32) (param $to i32)
    (local $width i32) (local $quarter i32) (local $rows i32) (local $left i32) (local $end i32) (local $xp i32) (local $xs i32)
    (local $w1 i32) (local $w2 i32) (local $w3 i32) (local $s1 i32) (local $s2 i32) (local $s3 i32) (local $step i32)
    (local $i0 v128) (local $i1 v128) (local $i2 v128) (local $i3 v128)
    (local $a0 v128) (local $a1 v128) (local $a2 v128) (local $a3 v128)
    (local $x0 v128) (local $x1 v128) (local $scale f32)
    (local.set $width (i32.mul (local.get $blocks) (local.get $size)))
    (local.set $w (i32.add (local.get $w) (i32.mul (local.get $from) (local.get $width))))
    (local.set $scales (i32.add (local.get $scales) (i32.shl (i32.mul (local.get $from) (local.get $blocks)) (i32.const 2))))
    (local.set $y (i32.add (local.get $y) (i32.shl (local.get $from) (i32.const 2))))
    (if (local.get $base)
      (then (local.set $base (i32.add (local.get $base) (i32.shl (local.get $from) (i32.const 2))))))
    (local.set $rows (i32.sub (local.get $to) (local.get $from)))
    (local.set $quarter (i32.shr_u (local.get $rows) (i32.const 2)))
    (local.set $rows (local.get $quarter))
    (local.set $step (i32.shl (local.get $quarter) (i32.const 2)))
    (if (local.get $rows)
      (then
        (local.set $w1 (i32.add (local.get $w) (i32.mul (local.get $quarter) (local.get $width))))
        (local.set $w2 (i32.add (local.get $w1) (i32.sub (local.get $w1) (local.get $w))))
        (local.set $w3 (i32.add (local.get $w2) (i32.sub (local.get $w1) (local.get $w))))
        (local.set $s1 (i32.add (local.get $scales) (i32.shl (i32.mul (local.get $quarter) (local.get $blocks)) (i32.const 2))))
        (local.set $s2 (i32.add (local.get $s1) (i32.sub (local.get $s1) (local.get $scales))))
        (local.set $s3 (i32.add (local.get $s2) (i32.sub (local.get $s1) (local.get $scales))))
        (loop $row
          (local.set $a0 (v128.const i32x4 0 0 0 0))
          (local.set $a1 (v128.const i32x4 0 0 0 0))
          (local.set $a2 (v128.const i32x4 0 0 0 0))
          (local.set $a3 (v128.const i32x4 0 0 0 0))
          (local.set $xp (local.get $x))
          (local.set $xs (local.get $xScales))
          (local.set $left (local.get $blocks))
          (loop $block
            (local.set $end (i32.add (local.get $xp) (i32.shl (local.get $size) (i32.const 1))))
            (local.set $i0 (v128.const i32x4 0 0 0 0))
            (local.set $i1 (v128.const i32x4 0 0 0 0))
            (local.set $i2 (v128.const i32x4 0 0 0 0))
            (local.set $i3 (v128.const i32x4 0 0 0 0))
            (loop $sixteen
              (local.set $x0 (v128.load (local.get $xp)))
              (local.set $x1 (v128.load offset=16 (local.get $xp)))
              (local.set $i0
                (i32x4.add (local.get $i0)
                  (i32x4.add
                    (i32x4.dot_i16x8_s (v128.load8x8_s (local.get $w)) (local.get $x0))
                    (i32x4.dot_i16x8_s (v128.load8x8_s offset=8 (local.get $w)) (local.get $x1)))))
              (local.set $i1
                (i32x4.add (local.get $i1)
                  (i32x4.add
                    (i32x4.dot_i16x8_s (v128.load8x8_s (local.get $w1)) (local.get $x0))
                    (i32x4.dot_i16x8_s (v128.load8x8_s offset=8 (local.get $w1)) (local.get $x1)))))
              (local.set $i2
                (i32x4.add (local.get $i2)
                  (i32x4.add
                    (i32x4.dot_i16x8_s (v128.load8x8_s (local.get $w2)) (local.get $x0))
                    (i32x4.dot_i16x8_s (v128.load8x8_s offset=8 (local.get $w2)) (local.get $x1)))))
              (local.set $i3
                (i32x4.add (local.get $i3)
                  (i32x4.add
                    (i32x4.dot_i16x8_s (v128.load8x8_s (local.get $w3)) (local.get $x0))
                    (i32x4.dot_i16x8_s (v128.load8x8_s offset=8 (local.get $w3)) (local.get $x1)))))
              (local.set $w (i32.add (local.get $w) (i32.const 16)))
              (local.set $w1 (i32.add (local.get $w1) (i32.const 16)))
              (local.set $w2 (i32.add (local.get $w2) (i32.const 16)))
              (local.set $w3 (i32.add (local.get $w3) (i32.const 16)))
              (br_if $sixteen (i32.lt_u (local.tee $xp (i32.add (local.get $xp) (i32.const 32))) (local.get $end))))
            (local.set $scale (f32.load (local.get $xs)))
            (local.set $a0
              (f32x4.add (local.get $a0)
                (f32x4.mul (f32x4.convert_i32x4_s (local.get $i0))
                  (f32x4.splat (f32.mul (local.get $scale) (f32.load (local.get $scales)))))))
            (local.set $a1
              (f32x4.add (local.get $a1)
                (f32x4.mul (f32x4.convert_i32x4_s (local.get $i1))
                  (f32x4.splat (f32.mul (local.get $scale) (f32.load (local.get $s1)))))))
            (local.set $a2
              (f32x4.add (local.get $a2)
                (f32x4.mul (f32x4.convert_i32x4_s (local.get $i2))
                  (f32x4.splat (f32.mul (local.get $scale) (f32.load (local.get $s2)))))))
            (local.set $a3
              (f32x4.add (local.get $a3)
                (f32x4.mul (f32x4.convert_i32x4_s (local.get $i3))
                  (f32x4.splat (f32.mul (local.get $scale) (f32.load (local.get $s3)))))))
            (local.set $scales (i32.add (local.get $scales) (i32.const 4)))
            (local.set $s1 (i32.add (local.get $s1) (i32.const 4)))
            (local.set $s2 (i32.add (local.get $s2) (i32.const 4)))
            (local.set $s3 (i32.add (local.get $s3) (i32.const 4)))
            (local.set $xs (i32.add (local.get $xs) (i32.const 4)))
            (br_if $block (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
          (call $put (local.get $y) (local.get $base) (i32.const 0) (call $sum (local.get $a0)))
          (call $put (local.get $y) (local.get $base) (local.get $step) (call $sum (local.get $a1)))
          (call $put (local.get $y) (local.get $base) (i32.shl (local.get $step) (i32.const 1)) (call $sum (local.get $a2)))
          (call $put (local.get $y) (local.get $base) (i32.mul (local.get $step) (i32.const 3)) (call $sum (local.get $a3)))
          (local.set $y (i32.add (local.get $y) (i32.const 4)))
          (if (local.get $base) (then (local.set $base (i32.add (local.get $base) (i32.const 4)))))
          (br_if $row (local.tee $rows (i32.sub (local.get $rows) (i32.const 1)))))
        ;; To the rows that the quarters leave over.
        (local.set $w (local.get $w3))
        (local.set $scales (local.get $s3))
        (local.set $y (i32.add (local.get $y) (i32.mul (local.get $step) (i32.const 3))))
        (if (local.get $base) (then (local.set $base (i32.add (local.get $base) (i32.mul (local.get $step) (i32.const 3))))))))
    (local.set $rows (i32.and (i32.sub (local.get $to) (local.get $from)) (i32.const 3)))
    (block $done
      (br_if $done (i32.eqz (local.get $rows)))
      (loop $row
        (call $put (local.get $y) (local.get $base) (i32.const 0)
          (call $row (local.get $w) (local.get $scales) (local.get $x) (local.get $xScales) (local.get $blocks) (local.get $size)))
        (local.set $w (i32.add (local.get $w) (local.get $width)))
        (local.set $scales (i32.add (local.get $scales) (i32.shl (local.get $blocks) (i32.const 2))))
        (local.set $y (i32.add (local.get $y) (i32.const 4)))
        (if (local.get $base) (then (local.set $base (i32.add (local.get $base) (i32.const 4)))))
        (br_if $row (local.tee $rows (i32.sub (local.get $rows) (i32.const 1)))))))

  (func $put (param $y i32) (param $base i32) (param $offset i32) (param $value f32)
    (if (local.get $base)
      (then
        (local.set $value (f32.add (local.get $value) (f32.load (i32.add (local.get $base) (local.get $offset)))))))
    (f32.store (i32.add (local.get $y) (local.get $offset)) (local.get $value)))

  ;; x += y
  (func $add (param $x i32) (param $y i32) (param $count i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $x) (i32.shl (local.get $count) (i32.const 2))))
    (loop $four
      (v128.store (local.get $x) (f32x4.add (v128.load (local.get $x)) (v128.load (local.get $y))))
      (local.set $y (i32.add (local.get $y) (i32.const 16)))
      (br_if $four (i32.lt_u (local.tee $x (i32.add (local.get $x) (i32.const 16))) (local.get $end)))))

  ;; x limited to ±limit.
  (func $clip (param $x i32) (param $count i32) (param $limit f32)
    (local $end i32)
    (local.set $end (i32.add (local.get $x) (i32.shl (local.get $count) (i32.const 2))))
    (loop $four
      (v128.store (local.get $x)
        (f32x4.pmax (f32x4.splat (f32.neg (local.get $limit)))
          (f32x4.pmin (f32x4.splat (local.get $limit)) (v128.load (local.get $x)))))
      (br_if $four (i32.lt_u (local.tee $x (i32.add (local.get $x) (i32.const 16))) (local.get $end)))))

  ;; x = limit · tanh(x / limit), as limit · (2 / (1 + e^(−2x / limit)) − 1).
  (func $softCap (param $x i32) (param $count i32) (param $limit f32)
    (local $p i32) (local $end i32) (local $factor v128)
    (local.set $end (i32.add (local.get $x) (i32.shl (local.get $count) (i32.const 2))))
    (local.set $factor (f32x4.splat (f32.div (f32.const -2) (local.get $limit))))
    (local.set $p (local.get $x))
    (loop $four
      (v128.store (local.get $p) (f32x4.mul (v128.load (local.get $p)) (local.get $factor)))
      (br_if $four (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 16))) (local.get $end))))
    (call $exponentials (local.get $x) (local.get $count))
    (local.set $factor (f32x4.splat (f32.add (local.get $limit) (local.get $limit))))
    (loop $four
      (v128.store (local.get $x)
        (f32x4.sub
          (f32x4.div (local.get $factor) (f32x4.add (v128.load (i32.const 512)) (v128.load (local.get $x))))
          (f32x4.splat (local.get $limit))))
      (br_if $four (i32.lt_u (local.tee $x (i32.add (local.get $x) (i32.const 16))) (local.get $end)))))

  ;; Rotary position: heads of two halves of `half` bytes, of which values at the same place form a pair.
  (func $rotate (param $x i32) (param $cos i32) (param $sin i32) (param $heads i32) (param $half i32)
    (local $i i32) (local $other i32) (local $fours i32)
    (local $a v128) (local $b v128) (local $c v128) (local $s v128) (local $a1 f32) (local $b1 f32) (local $c1 f32) (local $s1 f32)
    (local.set $fours (i32.and (local.get $half) (i32.const -16)))
    (loop $head
      (local.set $other (i32.add (local.get $x) (local.get $half)))
      (local.set $i (i32.const 0))
      (block $done
        (br_if $done (i32.eqz (local.get $fours)))
        (loop $four
          (local.set $a (v128.load (local.get $x)))
          (local.set $b (v128.load (local.get $other)))
          (local.set $c (v128.load (i32.add (local.get $cos) (local.get $i))))
          (local.set $s (v128.load (i32.add (local.get $sin) (local.get $i))))
          (v128.store (local.get $x)
            (f32x4.sub (f32x4.mul (local.get $a) (local.get $c)) (f32x4.mul (local.get $b) (local.get $s))))
          (v128.store (local.get $other)
            (f32x4.add (f32x4.mul (local.get $b) (local.get $c)) (f32x4.mul (local.get $a) (local.get $s))))
          (local.set $x (i32.add (local.get $x) (i32.const 16)))
          (local.set $other (i32.add (local.get $other) (i32.const 16)))
          (br_if $four (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16))) (local.get $fours)))))
      (block $done
        (br_if $done (i32.eq (local.get $i) (local.get $half)))
        (loop $one
          (local.set $a1 (f32.load (local.get $x)))
          (local.set $b1 (f32.load (local.get $other)))
          (local.set $c1 (f32.load (i32.add (local.get $cos) (local.get $i))))
          (local.set $s1 (f32.load (i32.add (local.get $sin) (local.get $i))))
          (f32.store (local.get $x)
            (f32.sub (f32.mul (local.get $a1) (local.get $c1)) (f32.mul (local.get $b1) (local.get $s1))))
          (f32.store (local.get $other)
            (f32.add (f32.mul (local.get $b1) (local.get $c1)) (f32.mul (local.get $a1) (local.get $s1))))
          (local.set $x (i32.add (local.get $x) (i32.const 4)))
          (local.set $other (i32.add (local.get $other) (i32.const 4)))
          (br_if $one (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (local.get $half)))))
      (local.set $x (local.get $other))
      (br_if $head (local.tee $heads (i32.sub (local.get $heads) (i32.const 1))))))

  ;; The new position's keys or values, [heads, size] in bytes, to their place in a cache [heads, capacity, size].
  (func $append (param $new i32) (param $cache i32) (param $heads i32) (param $size i32) (param $capacity i32)
    (local.set $cache (i32.add (local.get $cache) (i32.mul (i32.load (i32.const 16)) (local.get $size))))
    (loop $head
      (memory.copy (local.get $cache) (local.get $new) (local.get $size))
      (local.set $new (i32.add (local.get $new) (local.get $size)))
      (local.set $cache (i32.add (local.get $cache) (i32.mul (local.get $capacity) (local.get $size))))
      (br_if $head (local.tee $heads (i32.sub (local.get $heads) (i32.const 1))))))

  ;; Attention of the query heads that share a key head, over this thread's part of the positions: those in the cache and
  ;; the new one, of which the last `window` where that is not 0. For each head `out` gets the values' sum by shares [size],
  ;; then the largest score and the sum of shares, of which `merge` makes the whole. Four positions at a time, a quarter of
  ;; the part apart (as rows of `product`); places up to three behind the end get no share.
  (func $attend (param $q i32) (param $keys i32) (param $values i32) (param $out i32) (param $scores i32) (param $heads i32)
      (param $size i32) (param $window i32) (param $softCap f32) (param $thread i32)
    (local $first i32) (local $count i32) (local $from i32) (local $rows i32) (local $quarter i32) (local $u i32) (local $g i32)
    (local $step i32) (local $line i32) (local $stop i32) (local $p i32) (local $o i32) (local $end i32)
    (local $k0 i32) (local $k1 i32) (local $k2 i32) (local $k3 i32) (local $stride i32)
    (local $a0 v128) (local $a1 v128) (local $a2 v128) (local $a3 v128) (local $v v128) (local $most v128) (local $place v128)
    (local.set $count (i32.add (i32.load (i32.const 16)) (i32.const 1)))
    (if (i32.and (i32.ne (local.get $window) (i32.const 0)) (i32.gt_s (local.get $count) (local.get $window)))
      (then (local.set $first (i32.sub (local.get $count) (local.get $window)))))
    (local.set $count (i32.sub (local.get $count) (local.get $first)))
    (local.set $from (i32.div_u (i32.mul (local.get $count) (local.get $thread)) (i32.load (i32.const 24))))
    (local.set $rows
      (i32.sub
        (i32.div_u
          (i32.mul (local.get $count) (i32.add (local.get $thread) (i32.const 1)))
          (i32.load (i32.const 24)))
        (local.get $from)))
    (local.set $from (i32.mul (i32.add (local.get $from) (local.get $first)) (local.get $size)))
    (local.set $quarter (i32.shr_u (i32.add (local.get $rows) (i32.const 3)) (i32.const 2)))
    (local.set $step (i32.mul (local.get $quarter) (local.get $size)))
    (local.set $line (i32.shl (local.get $quarter) (i32.const 2)))
    (local.set $stride (i32.add (local.get $size) (i32.const 16)))
    (memory.fill (local.get $out) (i32.const 0) (i32.mul (local.get $heads) (local.get $stride)))
    (if (i32.eqz (local.get $rows))
      (then
        (loop $head
          (f32.store (i32.add (local.get $out) (local.get $size)) (f32.const -1e30))
          (local.set $out (i32.add (local.get $out) (local.get $stride)))
          (br_if $head (local.tee $heads (i32.sub (local.get $heads) (i32.const 1)))))
        (return)))

    ;; Scores [heads, 4 · quarter].
    (local.set $k0 (i32.add (local.get $keys) (local.get $from)))
    (local.set $k1 (i32.add (local.get $k0) (local.get $step)))
    (local.set $k2 (i32.add (local.get $k1) (local.get $step)))
    (local.set $k3 (i32.add (local.get $k2) (local.get $step)))
    (local.set $u (i32.const 0))
    (loop $four
      (local.set $o (local.get $q))
      (local.set $p (i32.add (local.get $scores) (i32.shl (local.get $u) (i32.const 2))))
      (local.set $g (local.get $heads))
      (loop $head
        (local.set $a0 (v128.const i32x4 0 0 0 0))
        (local.set $a1 (v128.const i32x4 0 0 0 0))
        (local.set $a2 (v128.const i32x4 0 0 0 0))
        (local.set $a3 (v128.const i32x4 0 0 0 0))
        (local.set $end (i32.add (local.get $o) (local.get $size)))
        (if (i32.and (local.get $size) (i32.const 16))
          (then
            (local.set $v (v128.load (local.get $o)))
            (local.set $a0 (f32x4.mul (local.get $v) (v128.load (local.get $k0))))
            (local.set $a1 (f32x4.mul (local.get $v) (v128.load (local.get $k1))))
            (local.set $a2 (f32x4.mul (local.get $v) (v128.load (local.get $k2))))
            (local.set $a3 (f32x4.mul (local.get $v) (v128.load (local.get $k3))))
            (local.set $o (i32.add (local.get $o) (i32.const 16)))
            (local.set $k0 (i32.add (local.get $k0) (i32.const 16)))
            (local.set $k1 (i32.add (local.get $k1) (i32.const 16)))
            (local.set $k2 (i32.add (local.get $k2) (i32.const 16)))
            (local.set $k3 (i32.add (local.get $k3) (i32.const 16)))))
        (loop $part
          (local.set $v (v128.load (local.get $o)))
          (local.set $a0 (f32x4.add (local.get $a0) (f32x4.mul (local.get $v) (v128.load (local.get $k0)))))
          (local.set $a1 (f32x4.add (local.get $a1) (f32x4.mul (local.get $v) (v128.load (local.get $k1)))))
          (local.set $a2 (f32x4.add (local.get $a2) (f32x4.mul (local.get $v) (v128.load (local.get $k2)))))
          (local.set $a3 (f32x4.add (local.get $a3) (f32x4.mul (local.get $v) (v128.load (local.get $k3)))))
          (local.set $v (v128.load offset=16 (local.get $o)))
          (local.set $a0 (f32x4.add (local.get $a0) (f32x4.mul (local.get $v) (v128.load offset=16 (local.get $k0)))))
          (local.set $a1 (f32x4.add (local.get $a1) (f32x4.mul (local.get $v) (v128.load offset=16 (local.get $k1)))))
          (local.set $a2 (f32x4.add (local.get $a2) (f32x4.mul (local.get $v) (v128.load offset=16 (local.get $k2)))))
          (local.set $a3 (f32x4.add (local.get $a3) (f32x4.mul (local.get $v) (v128.load offset=16 (local.get $k3)))))
          (local.set $k0 (i32.add (local.get $k0) (i32.const 32)))
          (local.set $k1 (i32.add (local.get $k1) (i32.const 32)))
          (local.set $k2 (i32.add (local.get $k2) (i32.const 32)))
          (local.set $k3 (i32.add (local.get $k3) (i32.const 32)))
          (br_if $part (i32.lt_u (local.tee $o (i32.add (local.get $o) (i32.const 32))) (local.get $end))))
        (f32.store (local.get $p) (call $sum (local.get $a0)))
        (f32.store (i32.add (local.get $p) (local.get $line)) (call $sum (local.get $a1)))
        (f32.store (i32.add (local.get $p) (i32.shl (local.get $line) (i32.const 1))) (call $sum (local.get $a2)))
        (f32.store (i32.add (local.get $p) (i32.mul (local.get $line) (i32.const 3))) (call $sum (local.get $a3)))
        (local.set $p (i32.add (local.get $p) (i32.shl (local.get $line) (i32.const 2))))
        (local.set $k0 (i32.sub (local.get $k0) (local.get $size)))
        (local.set $k1 (i32.sub (local.get $k1) (local.get $size)))
        (local.set $k2 (i32.sub (local.get $k2) (local.get $size)))
        (local.set $k3 (i32.sub (local.get $k3) (local.get $size)))
        (br_if $head (local.tee $g (i32.sub (local.get $g) (i32.const 1)))))
      (local.set $k0 (i32.add (local.get $k0) (local.get $size)))
      (local.set $k1 (i32.add (local.get $k1) (local.get $size)))
      (local.set $k2 (i32.add (local.get $k2) (local.get $size)))
      (local.set $k3 (i32.add (local.get $k3) (local.get $size)))
      (br_if $four (i32.lt_u (local.tee $u (i32.add (local.get $u) (i32.const 1))) (local.get $quarter))))
    (if (f32.ne (local.get $softCap) (f32.const 0))
      (then (call $softCap (local.get $scores) (i32.mul (local.get $line) (local.get $heads)) (local.get $softCap))))

    ;; Shares: e^(score − largest), which is nothing to speak of for the places behind the end.
    (local.set $p (local.get $scores))
    (local.set $o (i32.add (local.get $out) (local.get $size)))
    (local.set $g (local.get $heads))
    (loop $head
      (local.set $stop (i32.add (local.get $p) (i32.shl (local.get $line) (i32.const 2))))
      (local.set $k0 (local.get $p))
      (local.set $most (v128.const f32x4 -1e30 -1e30 -1e30 -1e30))
      (local.set $place (v128.const i32x4 0 1 2 3))
      (loop $four
        (local.set $v
          (v128.bitselect (v128.load (local.get $p)) (v128.const f32x4 -1e30 -1e30 -1e30 -1e30)
            (i32x4.lt_s (local.get $place) (i32x4.splat (local.get $rows)))))
        (v128.store (local.get $p) (local.get $v))
        (local.set $most (f32x4.pmax (local.get $most) (local.get $v)))
        (local.set $place (i32x4.add (local.get $place) (v128.const i32x4 4 4 4 4)))
        (br_if $four (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 16))) (local.get $stop))))
      (local.set $most
        (f32x4.splat
          (f32.max
            (f32.max (f32x4.extract_lane 0 (local.get $most)) (f32x4.extract_lane 1 (local.get $most)))
            (f32.max (f32x4.extract_lane 2 (local.get $most)) (f32x4.extract_lane 3 (local.get $most))))))
      (local.set $p (local.get $k0))
      (loop $four
        (v128.store (local.get $p) (f32x4.sub (v128.load (local.get $p)) (local.get $most)))
        (br_if $four (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 16))) (local.get $stop))))
      (call $exponentials (local.get $k0) (local.get $line))
      (local.set $a0 (v128.const i32x4 0 0 0 0))
      (local.set $p (local.get $k0))
      (loop $four
        (local.set $a0 (f32x4.add (local.get $a0) (v128.load (local.get $p))))
        (br_if $four (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 16))) (local.get $stop))))
      (f32.store (local.get $o) (f32x4.extract_lane 0 (local.get $most)))
      (f32.store offset=4 (local.get $o) (call $sum (local.get $a0)))
      (local.set $o (i32.add (local.get $o) (local.get $stride)))
      (br_if $head (local.tee $g (i32.sub (local.get $g) (i32.const 1)))))

    ;; Values by their shares.
    (local.set $k0 (i32.add (local.get $values) (local.get $from)))
    (local.set $k1 (i32.add (local.get $k0) (local.get $step)))
    (local.set $k2 (i32.add (local.get $k1) (local.get $step)))
    (local.set $k3 (i32.add (local.get $k2) (local.get $step)))
    (local.set $u (i32.const 0))
    (loop $four
      (local.set $o (local.get $out))
      (local.set $p (i32.add (local.get $scores) (i32.shl (local.get $u) (i32.const 2))))
      (local.set $g (local.get $heads))
      (loop $head
        (local.set $a0 (v128.load32_splat (local.get $p)))
        (local.set $a1 (v128.load32_splat (i32.add (local.get $p) (local.get $line))))
        (local.set $a2 (v128.load32_splat (i32.add (local.get $p) (i32.shl (local.get $line) (i32.const 1)))))
        (local.set $a3 (v128.load32_splat (i32.add (local.get $p) (i32.mul (local.get $line) (i32.const 3)))))
        (local.set $end (i32.add (local.get $o) (local.get $size)))
        (if (i32.and (local.get $size) (i32.const 16))
          (then
            (v128.store (local.get $o)
              (f32x4.add (v128.load (local.get $o))
                (f32x4.add
                  (f32x4.add
                    (f32x4.mul (local.get $a0) (v128.load (local.get $k0)))
                    (f32x4.mul (local.get $a1) (v128.load (local.get $k1))))
                  (f32x4.add
                    (f32x4.mul (local.get $a2) (v128.load (local.get $k2)))
                    (f32x4.mul (local.get $a3) (v128.load (local.get $k3)))))))
            (local.set $o (i32.add (local.get $o) (i32.const 16)))
            (local.set $k0 (i32.add (local.get $k0) (i32.const 16)))
            (local.set $k1 (i32.add (local.get $k1) (i32.const 16)))
            (local.set $k2 (i32.add (local.get $k2) (i32.const 16)))
            (local.set $k3 (i32.add (local.get $k3) (i32.const 16)))))
        (loop $part
          (v128.store (local.get $o)
            (f32x4.add (v128.load (local.get $o))
              (f32x4.add
                (f32x4.add
                  (f32x4.mul (local.get $a0) (v128.load (local.get $k0)))
                  (f32x4.mul (local.get $a1) (v128.load (local.get $k1))))
                (f32x4.add
                  (f32x4.mul (local.get $a2) (v128.load (local.get $k2)))
                  (f32x4.mul (local.get $a3) (v128.load (local.get $k3)))))))
          (v128.store offset=16 (local.get $o)
            (f32x4.add (v128.load offset=16 (local.get $o))
              (f32x4.add
                (f32x4.add
                  (f32x4.mul (local.get $a0) (v128.load offset=16 (local.get $k0)))
                  (f32x4.mul (local.get $a1) (v128.load offset=16 (local.get $k1))))
                (f32x4.add
                  (f32x4.mul (local.get $a2) (v128.load offset=16 (local.get $k2)))
                  (f32x4.mul (local.get $a3) (v128.load offset=16 (local.get $k3)))))))
          (local.set $k0 (i32.add (local.get $k0) (i32.const 32)))
          (local.set $k1 (i32.add (local.get $k1) (i32.const 32)))
          (local.set $k2 (i32.add (local.get $k2) (i32.const 32)))
          (local.set $k3 (i32.add (local.get $k3) (i32.const 32)))
          (br_if $part (i32.lt_u (local.tee $o (i32.add (local.get $o) (i32.const 32))) (local.get $end))))
        (local.set $o (i32.add (local.get $o) (i32.const 16)))
        (local.set $p (i32.add (local.get $p) (i32.shl (local.get $line) (i32.const 2))))
        (local.set $k0 (i32.sub (local.get $k0) (local.get $size)))
        (local.set $k1 (i32.sub (local.get $k1) (local.get $size)))
        (local.set $k2 (i32.sub (local.get $k2) (local.get $size)))
        (local.set $k3 (i32.sub (local.get $k3) (local.get $size)))
        (br_if $head (local.tee $g (i32.sub (local.get $g) (i32.const 1)))))
      (local.set $k0 (i32.add (local.get $k0) (local.get $size)))
      (local.set $k1 (i32.add (local.get $k1) (local.get $size)))
      (local.set $k2 (i32.add (local.get $k2) (local.get $size)))
      (local.set $k3 (i32.add (local.get $k3) (local.get $size)))
      (br_if $four (i32.lt_u (local.tee $u (i32.add (local.get $u) (i32.const 1))) (local.get $quarter)))))

  ;; The heads' attention from what the threads found for their parts of the positions, `between` bytes apart.
  (func $merge (param $parts i32) (param $between i32) (param $out i32) (param $heads i32) (param $size i32)
      (param $scratch i32)
    (local $most f32) (local $total f32) (local $share f32) (local $t i32) (local $p i32) (local $i i32)
    (loop $head
      (local.set $most (f32.const -1e30))
      (local.set $p (i32.add (local.get $parts) (local.get $size)))
      (local.set $t (i32.load (i32.const 24)))
      (loop $thread
        (local.set $most (f32.max (local.get $most) (f32.load (local.get $p))))
        (local.set $p (i32.add (local.get $p) (local.get $between)))
        (br_if $thread (local.tee $t (i32.sub (local.get $t) (i32.const 1)))))
      (memory.fill (local.get $out) (i32.const 0) (local.get $size))
      (local.set $total (f32.const 0))
      (local.set $p (local.get $parts))
      (local.set $t (i32.load (i32.const 24)))
      (loop $thread
        (local.set $i (i32.add (local.get $p) (local.get $size)))
        (if (f32.gt (f32.load offset=4 (local.get $i)) (f32.const 0))
          (then
            (v128.store (local.get $scratch) (f32x4.splat (f32.sub (f32.load (local.get $i)) (local.get $most))))
            (call $exponentials (local.get $scratch) (i32.const 4))
            (local.set $share (f32.load (local.get $scratch)))
            (local.set $total
              (f32.add (local.get $total) (f32.mul (local.get $share) (f32.load offset=4 (local.get $i)))))
            (local.set $i (i32.const 0))
            (loop $part
              (v128.store (i32.add (local.get $out) (local.get $i))
                (f32x4.add (v128.load (i32.add (local.get $out) (local.get $i)))
                  (f32x4.mul (f32x4.splat (local.get $share)) (v128.load (i32.add (local.get $p) (local.get $i))))))
              (br_if $part (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16))) (local.get $size))))))
        (local.set $p (i32.add (local.get $p) (local.get $between)))
        (br_if $thread (local.tee $t (i32.sub (local.get $t) (i32.const 1)))))
      (local.set $i (i32.add (local.get $out) (local.get $size)))
      (loop $part
        (v128.store (local.get $out)
          (f32x4.mul (v128.load (local.get $out)) (f32x4.splat (f32.div (f32.const 1) (local.get $total)))))
        (br_if $part (i32.lt_u (local.tee $out (i32.add (local.get $out) (i32.const 16))) (local.get $i))))
      (local.set $parts (i32.add (local.get $parts) (i32.add (local.get $size) (i32.const 16))))
      (br_if $head (local.tee $heads (i32.sub (local.get $heads) (i32.const 1))))))

  ;; out = activation(gate) · up, the activation being gate / (1 + e^−t): t is the gate itself (SiLU) or, for $gelu, that of
  ;; GELU's approximation by tanh, 2 · √(2/π) · (gate + 0.044715 · gate³).
  (func $activate (param $gate i32) (param $up i32) (param $out i32) (param $count i32) (param $gelu i32)
    (local $g i32) (local $o i32) (local $end i32) (local $v v128)
    (local.set $end (i32.add (local.get $gate) (i32.shl (local.get $count) (i32.const 2))))
    (local.set $g (local.get $gate))
    (local.set $o (local.get $out))
    (loop $four
      (local.set $v (v128.load (local.get $g)))
      (if (local.get $gelu)
        (then
          (local.set $v
            (f32x4.mul (v128.const f32x4 1.5957691216 1.5957691216 1.5957691216 1.5957691216)
              (f32x4.add (local.get $v)
                (f32x4.mul (v128.const f32x4 0.044715 0.044715 0.044715 0.044715)
                  (f32x4.mul (local.get $v) (f32x4.mul (local.get $v) (local.get $v)))))))))
      (v128.store (local.get $o) (f32x4.neg (local.get $v)))
      (local.set $o (i32.add (local.get $o) (i32.const 16)))
      (br_if $four (i32.lt_u (local.tee $g (i32.add (local.get $g) (i32.const 16))) (local.get $end))))
    (call $exponentials (local.get $out) (local.get $count))
    (loop $four
      (v128.store (local.get $out)
        (f32x4.mul
          (f32x4.div (v128.load (local.get $gate)) (f32x4.add (v128.load (i32.const 512)) (v128.load (local.get $out))))
          (v128.load (local.get $up))))
      (local.set $up (i32.add (local.get $up) (i32.const 16)))
      (local.set $out (i32.add (local.get $out) (i32.const 16)))
      (br_if $four (i32.lt_u (local.tee $gate (i32.add (local.get $gate) (i32.const 16))) (local.get $end)))))

  ;; Carries out a program to its end. The operations' numbers are those of solo-program.ts.
  (func $run (param $p i32)
    (loop $next
      (block $activate (block $merge (block $attend (block $append (block $rotate (block $softCap (block $clip (block $add
      (block $product (block $round (block $normalise (block $copy (block $barrier (block $end
        (br_table $end $barrier $copy $normalise $round $product $add $clip $softCap $rotate $append $attend $merge $activate
          (i32.load (local.get $p))))
        ;; Behind this the program may not be read any more: the first thread is free to write another.
        (call $barrier)
        (return))
        (call $barrier)
        (local.set $p (i32.add (local.get $p) (i32.const 64)))
        (br $next))
        (memory.copy (i32.load offset=4 (local.get $p)) (i32.load offset=8 (local.get $p)) (i32.load offset=12 (local.get $p)))
        (local.set $p (i32.add (local.get $p) (i32.const 64)))
        (br $next))
        (call $normalise (i32.load offset=4 (local.get $p)) (i32.load offset=8 (local.get $p)) (i32.load offset=12 (local.get $p))
          (i32.load offset=16 (local.get $p)) (f32.load offset=20 (local.get $p)) (i32.load offset=24 (local.get $p)))
        (local.set $p (i32.add (local.get $p) (i32.const 64)))
        (br $next))
        (call $round (i32.load offset=4 (local.get $p)) (i32.load offset=8 (local.get $p)) (i32.load offset=12 (local.get $p))
          (i32.load offset=16 (local.get $p)) (i32.load offset=20 (local.get $p)))
        (local.set $p (i32.add (local.get $p) (i32.const 64)))
        (br $next))
        (call $product (i32.load offset=4 (local.get $p)) (i32.load offset=8 (local.get $p)) (i32.load offset=12 (local.get $p))
          (i32.load offset=16 (local.get $p)) (i32.load offset=20 (local.get $p)) (i32.load offset=24 (local.get $p))
          (i32.load offset=28 (local.get $p)) (i32.load offset=32 (local.get $p)) (i32.load offset=36 (local.get $p))
          (i32.load offset=40 (local.get $p)))
        (local.set $p (i32.add (local.get $p) (i32.const 64)))
        (br $next))
        (call $add (i32.load offset=4 (local.get $p)) (i32.load offset=8 (local.get $p)) (i32.load offset=12 (local.get $p)))
        (local.set $p (i32.add (local.get $p) (i32.const 64)))
        (br $next))
        (call $clip (i32.load offset=4 (local.get $p)) (i32.load offset=8 (local.get $p)) (f32.load offset=12 (local.get $p)))
        (local.set $p (i32.add (local.get $p) (i32.const 64)))
        (br $next))
        (call $softCap (i32.load offset=4 (local.get $p)) (i32.load offset=8 (local.get $p)) (f32.load offset=12 (local.get $p)))
        (local.set $p (i32.add (local.get $p) (i32.const 64)))
        (br $next))
        (call $rotate (i32.load offset=4 (local.get $p)) (i32.load offset=8 (local.get $p)) (i32.load offset=12 (local.get $p))
          (i32.load offset=16 (local.get $p)) (i32.load offset=20 (local.get $p)))
        (local.set $p (i32.add (local.get $p) (i32.const 64)))
        (br $next))
        (call $append (i32.load offset=4 (local.get $p)) (i32.load offset=8 (local.get $p)) (i32.load offset=12 (local.get $p))
          (i32.load offset=16 (local.get $p)) (i32.load offset=20 (local.get $p)))
        (local.set $p (i32.add (local.get $p) (i32.const 64)))
        (br $next))
        (call $attend (i32.load offset=4 (local.get $p)) (i32.load offset=8 (local.get $p)) (i32.load offset=12 (local.get $p))
          (i32.load offset=16 (local.get $p)) (i32.load offset=20 (local.get $p)) (i32.load offset=24 (local.get $p))
          (i32.load offset=28 (local.get $p)) (i32.load offset=32 (local.get $p)) (f32.load offset=36 (local.get $p))
          (i32.load offset=40 (local.get $p)))
        (local.set $p (i32.add (local.get $p) (i32.const 64)))
        (br $next))
        (call $merge (i32.load offset=4 (local.get $p)) (i32.load offset=8 (local.get $p)) (i32.load offset=12 (local.get $p))
          (i32.load offset=16 (local.get $p)) (i32.load offset=20 (local.get $p)) (i32.load offset=24 (local.get $p)))
        (local.set $p (i32.add (local.get $p) (i32.const 64)))
        (br $next))
        (call $activate (i32.load offset=4 (local.get $p)) (i32.load offset=8 (local.get $p)) (i32.load offset=12 (local.get $p))
          (i32.load offset=16 (local.get $p)) (i32.load offset=20 (local.get $p)))
        (local.set $p (i32.add (local.get $p) (i32.const 64)))
        (br $next)))

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
)
