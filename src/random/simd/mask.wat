;; Bernoulli masks from a function of a counter and two words of a key: two 16-bit values from each number. A round is the
;; quadratic permutation of RC6 (Rivest et al. 1998), x · (2x + 1) modulo 2³², and a rotation by half a word: sums, products
;; and shifts only, which a graph on a GPU has as well (train/dropout-mask.ts).
(module
  (import "evoke" "memory" (memory 1))
  (func (export "fill")
    (param $out i32)        ;; address of the mask, one byte a value
    (param $rounds i32)     ;; values / 16, at least 1
    (param $threshold i32)  ;; 65536 · the probability of a zero
    (param $from i32)       ;; the first number's counter
    (param $keyA i32) (param $keyB i32)
    (local $n v128) (local $b v128) (local $one v128) (local $x v128) (local $first v128) (local $limit v128)
    (local $second i32)
    ;; n: counter + first word of the key
    (local.set $n
      (i32x4.add
        (i32x4.splat (i32.add (local.get $from) (local.get $keyA)))
        (v128.const i32x4 0 1 2 3)))
    (local.set $b (i32x4.splat (local.get $keyB)))
    (local.set $one (v128.const i32x4 1 1 1 1))
    (local.set $limit (i16x8.splat (local.get $threshold)))
    (loop $loop
      (local.set $second (i32.const 0))
      (loop $half
        (local.set $x (local.get $n))
        (local.set $n (i32x4.add (local.get $n) (v128.const i32x4 4 4 4 4)))
        (local.set $x (i32x4.mul (local.get $x) (i32x4.add (i32x4.add (local.get $x) (local.get $x)) (local.get $one))))
        (local.set $x
          (v128.or (i32x4.shl (local.get $x) (i32.const 16)) (i32x4.shr_u (local.get $x) (i32.const 16))))
        (local.set $x (i32x4.add (local.get $x) (local.get $b)))
        (local.set $x (i32x4.mul (local.get $x) (i32x4.add (i32x4.add (local.get $x) (local.get $x)) (local.get $one))))
        (local.set $x
          (v128.or (i32x4.shl (local.get $x) (i32.const 16)) (i32x4.shr_u (local.get $x) (i32.const 16))))
        (local.set $x (i32x4.mul (local.get $x) (i32x4.add (i32x4.add (local.get $x) (local.get $x)) (local.get $one))))
        (local.set $x
          (v128.or (i32x4.shl (local.get $x) (i32.const 16)) (i32x4.shr_u (local.get $x) (i32.const 16))))
        (local.set $x (i16x8.ge_u (local.get $x) (local.get $limit)))
        (if (i32.eqz (local.get $second))
          (then
            (local.set $first (local.get $x))
            (local.set $second (i32.const 1))
            (br $half))))
      (v128.store (local.get $out)
        (v128.and
          (i8x16.narrow_i16x8_s (local.get $first) (local.get $x))
          (v128.const i32x4 0x01010101 0x01010101 0x01010101 0x01010101)))
      (local.set $out (i32.add (local.get $out) (i32.const 16)))
      (br_if $loop (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))))
