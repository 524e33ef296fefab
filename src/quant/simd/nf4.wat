;; Decodes 4-bit codes: out[i] = table[code[i]] · scale of i's block. Sixteen values at a time: the bytes of the table's
;; float32 values lie in four planes, a swizzle looks a plane up for sixteen codes at once, shuffles join the planes.
;; The first 64 bytes of memory hold the planes, the lowest byte first.
(module
  (import "evoke" "memory" (memory 1))
  (func (export "decode")
    (param $codes i32)   ;; address of the packed codes, the first of a pair in the high four bits
    (param $scales i32)  ;; address of one float32 for each block
    (param $out i32)     ;; address of the float32 results
    (param $blocks i32)
    (param $rounds i32)  ;; values in a block / 16
    (local $round i32)
    (local $p0 v128) (local $p1 v128) (local $p2 v128) (local $p3 v128)
    (local $scale v128) (local $high v128) (local $low v128) (local $i v128)
    (local $b0 v128) (local $b1 v128) (local $b2 v128) (local $b3 v128)
    (local.set $p0 (v128.load (i32.const 0)))
    (local.set $p1 (v128.load (i32.const 16)))
    (local.set $p2 (v128.load (i32.const 32)))
    (local.set $p3 (v128.load (i32.const 48)))
    (block $done
      (br_if $done (i32.eqz (local.get $blocks)))
      (loop $block
        (local.set $scale (v128.load32_splat (local.get $scales)))
        (local.set $round (local.get $rounds))
        (loop $sixteen
          ;; Eight bytes to sixteen codes.
          (local.set $low (v128.load64_zero (local.get $codes)))
          (local.set $high (i8x16.shr_u (local.get $low) (i32.const 4)))
          (local.set $low (v128.and (local.get $low) (v128.const i32x4 0x0f0f0f0f 0x0f0f0f0f 0x0f0f0f0f 0x0f0f0f0f)))
          (local.set $i
            (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23 (local.get $high) (local.get $low)))
          (local.set $b0 (i8x16.swizzle (local.get $p0) (local.get $i)))
          (local.set $b1 (i8x16.swizzle (local.get $p1) (local.get $i)))
          (local.set $b2 (i8x16.swizzle (local.get $p2) (local.get $i)))
          (local.set $b3 (i8x16.swizzle (local.get $p3) (local.get $i)))
          ;; The lower halves of values 0–7 and 8–15, then the upper halves.
          (local.set $low
            (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23 (local.get $b0) (local.get $b1)))
          (local.set $b0
            (i8x16.shuffle 8 24 9 25 10 26 11 27 12 28 13 29 14 30 15 31 (local.get $b0) (local.get $b1)))
          (local.set $high
            (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23 (local.get $b2) (local.get $b3)))
          (local.set $b2
            (i8x16.shuffle 8 24 9 25 10 26 11 27 12 28 13 29 14 30 15 31 (local.get $b2) (local.get $b3)))
          (v128.store (local.get $out)
            (f32x4.mul (local.get $scale)
              (i8x16.shuffle 0 1 16 17 2 3 18 19 4 5 20 21 6 7 22 23 (local.get $low) (local.get $high))))
          (v128.store offset=16 (local.get $out)
            (f32x4.mul (local.get $scale)
              (i8x16.shuffle 8 9 24 25 10 11 26 27 12 13 28 29 14 15 30 31 (local.get $low) (local.get $high))))
          (v128.store offset=32 (local.get $out)
            (f32x4.mul (local.get $scale)
              (i8x16.shuffle 0 1 16 17 2 3 18 19 4 5 20 21 6 7 22 23 (local.get $b0) (local.get $b2))))
          (v128.store offset=48 (local.get $out)
            (f32x4.mul (local.get $scale)
              (i8x16.shuffle 8 9 24 25 10 11 26 27 12 13 28 29 14 15 30 31 (local.get $b0) (local.get $b2))))
          (local.set $codes (i32.add (local.get $codes) (i32.const 8)))
          (local.set $out (i32.add (local.get $out) (i32.const 64)))
          (br_if $sixteen (local.tee $round (i32.sub (local.get $round) (i32.const 1)))))
        (local.set $scales (i32.add (local.get $scales) (i32.const 4)))
        (br_if $block (local.tee $blocks (i32.sub (local.get $blocks) (i32.const 1))))))))
