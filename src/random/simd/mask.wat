;; Bernoulli masks from four xoshiro128** generators side by side (Blackman and Vigna 2018), two values from each number.
;; The first 64 bytes of memory hold the state: word a of the four generators, then b, c and d.
(module
  (import "evoke" "memory" (memory 1))
  (func (export "fill")
    (param $out i32)        ;; address of the mask, one byte a value
    (param $rounds i32)     ;; values / 16, at least 1
    (param $threshold i32)  ;; 65536 · the probability of a zero
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local $x v128) (local $t v128) (local $first v128) (local $limit v128) (local $second i32)
    (local.set $a (v128.load (i32.const 0)))
    (local.set $b (v128.load (i32.const 16)))
    (local.set $c (v128.load (i32.const 32)))
    (local.set $d (v128.load (i32.const 48)))
    (local.set $limit (i16x8.splat (local.get $threshold)))
    (loop $round
      (local.set $second (i32.const 0))
      (loop $half
        ;; x = rotl(b · 5, 7) · 9
        (local.set $x (i32x4.add (local.get $b) (i32x4.shl (local.get $b) (i32.const 2))))
        (local.set $x
          (v128.or (i32x4.shl (local.get $x) (i32.const 7)) (i32x4.shr_u (local.get $x) (i32.const 25))))
        (local.set $x (i32x4.add (local.get $x) (i32x4.shl (local.get $x) (i32.const 3))))
        (local.set $t (i32x4.shl (local.get $b) (i32.const 9)))
        (local.set $c (v128.xor (local.get $c) (local.get $a)))
        (local.set $d (v128.xor (local.get $d) (local.get $b)))
        (local.set $b (v128.xor (local.get $b) (local.get $c)))
        (local.set $a (v128.xor (local.get $a) (local.get $d)))
        (local.set $c (v128.xor (local.get $c) (local.get $t)))
        (local.set $d
          (v128.or (i32x4.shl (local.get $d) (i32.const 11)) (i32x4.shr_u (local.get $d) (i32.const 21))))
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
      (br_if $round (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
    (v128.store (i32.const 0) (local.get $a))
    (v128.store (i32.const 16) (local.get $b))
    (v128.store (i32.const 32) (local.get $c))
    (v128.store (i32.const 48) (local.get $d))))
