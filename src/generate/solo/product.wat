;; Products of rounded weights with a rounded vector.

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

;; y[r] = Σ w[r] · x (+ base[r]) for from ≤ r < to; w in 8-bit codes and x in 16-bit ones, in blocks of `size` with one
;; scale. Five rows at a time, a fifth of the range apart: the processor then reads ahead in five places at once, which
;; takes weights from memory almost twice as fast as one place does. (Of four to eight, five and seven were fastest.)
(func $product (param $w0 i32) (param $s0 i32) (param $x i32) (param $xScales i32) (param $y i32) (param $base i32)
    (param $blocks i32) (param $size i32) (param $from i32) (param $to i32)
  (local $width i32) (local $fifth i32) (local $rows i32) (local $left i32) (local $end i32) (local $xp i32) (local $xs i32)
  (local $step i32)
  (local $w1 i32) (local $s1 i32) (local $w2 i32) (local $s2 i32) (local $w3 i32) (local $s3 i32) (local $w4 i32) (local $s4 i32)
  (local $i0 v128) (local $i1 v128) (local $i2 v128) (local $i3 v128) (local $i4 v128)
  (local $a0 v128) (local $a1 v128) (local $a2 v128) (local $a3 v128) (local $a4 v128)
  (local $x0 v128) (local $x1 v128) (local $scale f32)
  (local.set $width (i32.mul (local.get $blocks) (local.get $size)))
  (local.set $w0 (i32.add (local.get $w0) (i32.mul (local.get $from) (local.get $width))))
  (local.set $s0 (i32.add (local.get $s0) (i32.shl (i32.mul (local.get $from) (local.get $blocks)) (i32.const 2))))
  (local.set $y (i32.add (local.get $y) (i32.shl (local.get $from) (i32.const 2))))
  (if (local.get $base)
    (then (local.set $base (i32.add (local.get $base) (i32.shl (local.get $from) (i32.const 2))))))
  (local.set $fifth (i32.div_u (i32.sub (local.get $to) (local.get $from)) (i32.const 5)))
  (local.set $rows (local.get $fifth))
  (local.set $step (i32.shl (local.get $fifth) (i32.const 2)))
  (if (local.get $rows)
    (then
      (local.set $w1 (i32.mul (local.get $fifth) (local.get $width)))
      (local.set $s1 (i32.shl (i32.mul (local.get $fifth) (local.get $blocks)) (i32.const 2)))
      (local.set $w2 (i32.add (local.get $w0) (i32.mul (local.get $w1) (i32.const 2))))
      (local.set $s2 (i32.add (local.get $s0) (i32.mul (local.get $s1) (i32.const 2))))
      (local.set $w3 (i32.add (local.get $w0) (i32.mul (local.get $w1) (i32.const 3))))
      (local.set $s3 (i32.add (local.get $s0) (i32.mul (local.get $s1) (i32.const 3))))
      (local.set $w4 (i32.add (local.get $w0) (i32.mul (local.get $w1) (i32.const 4))))
      (local.set $s4 (i32.add (local.get $s0) (i32.mul (local.get $s1) (i32.const 4))))
      (local.set $w1 (i32.add (local.get $w0) (local.get $w1)))
      (local.set $s1 (i32.add (local.get $s0) (local.get $s1)))
      (loop $row
        (local.set $a0 (v128.const i32x4 0 0 0 0))
        (local.set $a1 (v128.const i32x4 0 0 0 0))
        (local.set $a2 (v128.const i32x4 0 0 0 0))
        (local.set $a3 (v128.const i32x4 0 0 0 0))
        (local.set $a4 (v128.const i32x4 0 0 0 0))
        (local.set $xp (local.get $x))
        (local.set $xs (local.get $xScales))
        (local.set $left (local.get $blocks))
        (loop $block
          (local.set $end (i32.add (local.get $xp) (i32.shl (local.get $size) (i32.const 1))))
          (local.set $i0 (v128.const i32x4 0 0 0 0))
          (local.set $i1 (v128.const i32x4 0 0 0 0))
          (local.set $i2 (v128.const i32x4 0 0 0 0))
          (local.set $i3 (v128.const i32x4 0 0 0 0))
          (local.set $i4 (v128.const i32x4 0 0 0 0))
          (loop $sixteen
            (local.set $x0 (v128.load (local.get $xp)))
            (local.set $x1 (v128.load offset=16 (local.get $xp)))
            (local.set $i0
              (i32x4.add (local.get $i0)
                (i32x4.add
                  (i32x4.dot_i16x8_s (v128.load8x8_s (local.get $w0)) (local.get $x0))
                  (i32x4.dot_i16x8_s (v128.load8x8_s offset=8 (local.get $w0)) (local.get $x1)))))
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
            (local.set $i4
              (i32x4.add (local.get $i4)
                (i32x4.add
                  (i32x4.dot_i16x8_s (v128.load8x8_s (local.get $w4)) (local.get $x0))
                  (i32x4.dot_i16x8_s (v128.load8x8_s offset=8 (local.get $w4)) (local.get $x1)))))
            (local.set $w0 (i32.add (local.get $w0) (i32.const 16)))
            (local.set $w1 (i32.add (local.get $w1) (i32.const 16)))
            (local.set $w2 (i32.add (local.get $w2) (i32.const 16)))
            (local.set $w3 (i32.add (local.get $w3) (i32.const 16)))
            (local.set $w4 (i32.add (local.get $w4) (i32.const 16)))
            (br_if $sixteen (i32.lt_u (local.tee $xp (i32.add (local.get $xp) (i32.const 32))) (local.get $end))))
          (local.set $scale (f32.load (local.get $xs)))
          (local.set $a0
            (f32x4.add (local.get $a0)
              (f32x4.mul (f32x4.convert_i32x4_s (local.get $i0))
                (f32x4.splat (f32.mul (local.get $scale) (f32.load (local.get $s0)))))))
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
          (local.set $a4
            (f32x4.add (local.get $a4)
              (f32x4.mul (f32x4.convert_i32x4_s (local.get $i4))
                (f32x4.splat (f32.mul (local.get $scale) (f32.load (local.get $s4)))))))
          (local.set $s0 (i32.add (local.get $s0) (i32.const 4)))
          (local.set $s1 (i32.add (local.get $s1) (i32.const 4)))
          (local.set $s2 (i32.add (local.get $s2) (i32.const 4)))
          (local.set $s3 (i32.add (local.get $s3) (i32.const 4)))
          (local.set $s4 (i32.add (local.get $s4) (i32.const 4)))
          (local.set $xs (i32.add (local.get $xs) (i32.const 4)))
          (br_if $block (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (call $put (local.get $y) (local.get $base) (i32.const 0) (call $sum (local.get $a0)))
        (call $put (local.get $y) (local.get $base) (local.get $step) (call $sum (local.get $a1)))
        (call $put (local.get $y) (local.get $base) (i32.mul (local.get $step) (i32.const 2)) (call $sum (local.get $a2)))
        (call $put (local.get $y) (local.get $base) (i32.mul (local.get $step) (i32.const 3)) (call $sum (local.get $a3)))
        (call $put (local.get $y) (local.get $base) (i32.mul (local.get $step) (i32.const 4)) (call $sum (local.get $a4)))
        (local.set $y (i32.add (local.get $y) (i32.const 4)))
        (if (local.get $base) (then (local.set $base (i32.add (local.get $base) (i32.const 4)))))
        (br_if $row (local.tee $rows (i32.sub (local.get $rows) (i32.const 1)))))
      ;; To the rows that the fifths leave over.
      (local.set $w0 (local.get $w4))
      (local.set $s0 (local.get $s4))
      (local.set $y (i32.add (local.get $y) (i32.mul (local.get $step) (i32.const 4))))
      (if (local.get $base)
        (then (local.set $base (i32.add (local.get $base) (i32.mul (local.get $step) (i32.const 4))))))))
  (local.set $rows (i32.rem_u (i32.sub (local.get $to) (local.get $from)) (i32.const 5)))
  (block $done
    (br_if $done (i32.eqz (local.get $rows)))
    (loop $row
      (call $put (local.get $y) (local.get $base) (i32.const 0)
        (call $row (local.get $w0) (local.get $s0) (local.get $x) (local.get $xScales) (local.get $blocks) (local.get $size)))
      (local.set $w0 (i32.add (local.get $w0) (local.get $width)))
      (local.set $s0 (i32.add (local.get $s0) (i32.shl (local.get $blocks) (i32.const 2))))
      (local.set $y (i32.add (local.get $y) (i32.const 4)))
      (if (local.get $base) (then (local.set $base (i32.add (local.get $base) (i32.const 4)))))
      (br_if $row (local.tee $rows (i32.sub (local.get $rows) (i32.const 1)))))))

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

(func $put (param $y i32) (param $base i32) (param $offset i32) (param $value f32)
  (if (local.get $base)
    (then
      (local.set $value (f32.add (local.get $value) (f32.load (i32.add (local.get $base) (local.get $offset)))))))
  (f32.store (i32.add (local.get $y) (local.get $offset)) (local.get $value)))
