;; Operations on vectors.

;; out = (x − mean) / deviation · weight, or without the mean (RMSNorm) where $layer is 0.
(func $normalise (param $x i32) (param $weight i32) (param $out i32) (param $count i32) (param $epsilon f32) (param $layer i32)
  (local $end i32) (local $p i32) (local $v v128) (local $sums v128) (local $squares v128) (local $mean f32) (local $inverse f32)
  (local.set $end (i32.add (local.get $x) (i32.shl (local.get $count) (i32.const 2))))
  (if (local.get $layer)
    (then
      (local.set $p (local.get $x))
      (loop $four
        (local.set $sums (f32x4.add (local.get $sums) (v128.load (local.get $p))))
        (br_if $four (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 16))) (local.get $end))))
      (local.set $mean (f32.div (call $sum (local.get $sums)) (f32.convert_i32_s (local.get $count))))))
  ;; Of the differences from the mean: a difference of two sums would lose the digits of a small deviation.
  (local.set $p (local.get $x))
  (loop $four
    (local.set $v (f32x4.sub (v128.load (local.get $p)) (f32x4.splat (local.get $mean))))
    (local.set $squares (f32x4.add (local.get $squares) (f32x4.mul (local.get $v) (local.get $v))))
    (br_if $four (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 16))) (local.get $end))))
  (local.set $inverse
    (f32.div (f32.const 1)
      (f32.sqrt
        (f32.add
          (f32.div (call $sum (local.get $squares)) (f32.convert_i32_s (local.get $count)))
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

;; x = e^x in place, to about 2 units in the last place (the polynomial of Cephes' expf); x is limited to ±60, so that no
;; share of attention makes denormal numbers, which are slow. A float32 plus 1.5 · 2²³ + 127 is rounded to a whole number,
;; and has this number + 127 in its lowest bits: moved to the exponent's place they are a power of two. The constants lie in
;; memory, in the order of solo-memory.ts: loading them is faster.
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

(func $sum (param $v v128) (result f32)
  (f32.add
    (f32.add (f32x4.extract_lane 0 (local.get $v)) (f32x4.extract_lane 1 (local.get $v)))
    (f32.add (f32x4.extract_lane 2 (local.get $v)) (f32x4.extract_lane 3 (local.get $v)))))
