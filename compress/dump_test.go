package compress_test

import (
	"fedtab/compress"
	"fedtab/protocol"
	"fmt"
	"math"
	"testing"
)

func nmse(x, y []float32) float64 {
	e, s := 0.0, 0.0
	for i := range x {
		d := float64(x[i]) - float64(y[i])
		e += d * d
		s += float64(x[i]) * float64(x[i])
	}
	return e / s
}
func TestDump(t *testing.T) {
	r := recorded(t)
	c, _ := compress.Lookup(protocol.CodecDeadzone)
	enc := c.NewEncoder(r.tensors)
	dec := c.NewDecoder()
	encf := c.NewEncoder(compress.Flat(199210))
	for _, bits := range []float64{.015625, .02, .05, .1, .2, .3, .5, 1, 1.1, 2, 3.85, 4, 6, 8, 12} {
		s := ""
		for _, u := range r.updates[:3] {
			b, err := enc.Append(nil, u, compress.Options{Bits: bits})
			if err != nil {
				t.Fatal(err)
			}
			out := make([]float32, len(u))
			if err := compress.DecodeWith(dec, out, b, compress.Options{}); err != nil {
				t.Fatal(err)
			}
			bf, _ := encf.Append(nil, u, compress.Options{Bits: bits})
			step := 0.0
			_ = step
			s += fmt.Sprintf(" %.4f %.5f (flat %.4f)", float64(len(b))*8/float64(len(u)), nmse(u, out), float64(len(bf))*8/float64(len(u)))
		}
		t.Log(bits, s)
	}
	_ = math.Abs
}
func TestDumpDither(t *testing.T) {
	r := recorded(t)
	c, _ := compress.Lookup(protocol.CodecDither)
	enc := c.NewEncoder(r.tensors)
	dec := c.NewDecoder()
	for _, bits := range []float64{.1, .3, 1, 2, 3.85, 8} {
		s := ""
		for _, u := range r.updates[:3] {
			b, err := enc.Append(nil, u, compress.Options{Bits: bits, Seed: 5})
			if err != nil {
				t.Fatal(err)
			}
			out := make([]float32, len(u))
			if err := compress.DecodeWith(dec, out, b, compress.Options{Seed: 5}); err != nil {
				t.Fatal(err)
			}
			s += fmt.Sprintf(" %.4f %.5f", float64(len(b))*8/float64(len(u)), nmse(u, out))
		}
		t.Log(bits, s)
	}
}
func TestDumpGrid(t *testing.T){
 r:=recorded(t)
 n:=len(r.versions[0])
 agg:=make([]float32,n); for i:=range agg { agg[i]=r.versions[1][i]-r.versions[0][i]}
 g,err:=compress.NewGrid(r.tensors, r.versions[0]); if err!=nil{t.Fatal(err)}
 for _,co:=range []float64{1,3,6} {
 step:=compress.GridStep(agg,co)
 for _,fr:=range []int{29,25,20,10,0} {
  k1,k2:=make([]int32,n),make([]int32,n); p1,p2:=make([]float32,n),make([]float32,n)
  if err:=g.Round(k1,p1,r.versions[fr],2*step); err!=nil{t.Fatal(err)}
  if err:=g.Round(k2,p2,r.versions[30],step); err!=nil{t.Fatal(err)}
  b,err:=g.Append(nil,k1,k2,step,1); if err!=nil{t.Fatal(err)}
  bs:=0
  { k0,p0:=make([]int32,n),make([]float32,n); g.Round(k0,p0,r.versions[fr],step); bb,_:=g.Append(nil,k0,k2,step,0); bs=len(bb)}
  h:=map[int32]float64{}; tot:=0.0; off:=0
  for _,te:=range r.tensors { clear(h); for i:=off;i<off+te.Size;i++{ h[k2[i]-2*k1[i]]++ }; for _,c:=range h { tot-=c*math.Log2(c/float64(te.Size))}; off+=te.Size }
  if _,err:=g.Apply(p1,b); err!=nil{t.Fatal(err)}
  for i:=range p1 { if p1[i]!=p2[i] { t.Fatal(i,p1[i],p2[i]) }}
  t.Logf("%v %d: %.4f bits (order-0 %.4f), without halving %.4f",co,fr,float64(len(b))*8/float64(n), tot/float64(n),float64(bs)*8/float64(n))
 }}
}
