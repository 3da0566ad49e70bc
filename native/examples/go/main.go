// One decode step for two requests. Go memory goes to the host backend as it is; the GPU's is the CUDA driver's.
package main

/*
#cgo LDFLAGS: -ldl
#include "../gpu.h"
*/
import "C"

import (
	"fmt"
	"os"
	"reflect"
	"runtime"
	"unsafe"

	baracuda "example.org/baracuda_ffi"
)

const (
	batch, pages, pageSize, heads, headDim = 2, 3, 4, 2, 64
	cache, rows                            = pages * heads * pageSize * headDim, batch * heads * headDim
)

type operands struct {
	kData, vData, key, value     []float32
	indices, indptr, lastPageLen []int32
}

func counting(size int, first float32) []float32 {
	values := make([]float32, size)
	for i := range values {
		values[i] = first + float32(i)
	}
	return values
}

// Request 0 holds 5 tokens in pages 2 and 0, request 1 holds 3 in page 1.
func makeOperands() operands {
	return operands{
		counting(cache, 0), counting(cache, 10000), counting(rows, 20000), counting(rows, 30000),
		[]int32{2, 0, 1}, []int32{0, 2, 3}, []int32{1, 3},
	}
}

// By hand: request 0's token belongs in page 0, slot 1; request 1's in page 1, slot 3.
func expect(cache, rows []float32) {
	for request, place := range [][2]int{{0, 1}, {1, 3}} {
		for head := 0; head < heads; head++ {
			to := ((place[0]*heads+head)*pageSize + place[1]) * headDim
			from := (request*heads + head) * headDim
			copy(cache[to:to+headDim], rows[from:from+headDim])
		}
	}
}

func describe(backend int32) *baracuda.Append {
	return &baracuda.Append{
		Backend: backend, Element: baracuda.ElementF32, Layout: baracuda.LayoutHND,
		LengthConvention: baracuda.BeforeAppend,
		BatchSize:        batch, PageSize: pageSize, NumHeads: heads, HeadDim: headDim, NumTotalPages: pages,
		TotalUsedPages: 3,
	}
}

func appendOnHost(o operands) error {
	op := describe(baracuda.BackendHost)
	op.KData, op.VData = unsafe.Pointer(&o.kData[0]), unsafe.Pointer(&o.vData[0])
	op.Key, op.Value = unsafe.Pointer(&o.key[0]), unsafe.Pointer(&o.value[0])
	op.Indices, op.Indptr = unsafe.Pointer(&o.indices[0]), unsafe.Pointer(&o.indptr[0])
	op.LastPageLen = unsafe.Pointer(&o.lastPageLen[0])
	return op.Run()
}

func toGPU[T any](values []T) unsafe.Pointer {
	return C.gpu_copy_in(unsafe.Pointer(&values[0]), C.size_t(len(values))*C.size_t(unsafe.Sizeof(values[0])))
}

func appendOnGPU(o operands) error {
	op := describe(baracuda.BackendFlashinfer)
	op.KData, op.VData, op.Key, op.Value = toGPU(o.kData), toGPU(o.vData), toGPU(o.key), toGPU(o.value)
	op.Indices, op.Indptr, op.LastPageLen = toGPU(o.indices), toGPU(o.indptr), toGPU(o.lastPageLen)
	op.Stream = C.gpu_stream()
	err := op.Run()
	C.gpu_wait(op.Stream)
	C.gpu_copy_out(unsafe.Pointer(&o.kData[0]), op.KData, cache*4)
	C.gpu_copy_out(unsafe.Pointer(&o.vData[0]), op.VData, cache*4)
	return err
}

func check(backend string, run func(operands) error) {
	got, expected := makeOperands(), makeOperands()
	err := run(got)
	expect(expected.kData, expected.key)
	expect(expected.vData, expected.value)
	if err == nil && !reflect.DeepEqual(got, expected) {
		err = fmt.Errorf("WRONG BYTES")
	}
	if err != nil {
		fmt.Printf("%s: %v\n", backend, err)
		os.Exit(1)
	}
	fmt.Printf("%s: every byte as expected\n", backend)
}

func main() {
	// CUDA's current context belongs to a thread.
	runtime.LockOSThread()
	check("host", appendOnHost)
	if C.gpu_open() != 0 {
		check("flashinfer", appendOnGPU)
	} else {
		fmt.Println("flashinfer: no GPU here")
	}
}
