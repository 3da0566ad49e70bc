// Package baracuda is the C ABI of baracuda_ffi, every write into a paged KV-cache, for Go: the structs and constants of
// baracuda_ffi.h, whose meaning is written there, and the calls that take them.
//
// The host backend takes Go's memory as it is, as long as that has no pointers in it: nothing is kept beyond a call. CUDA's
// takes what the CUDA driver or C allocated. The header and the library are found through pkg-config.
package baracuda

/*
#cgo pkg-config: baracuda_ffi
#include <baracuda_ffi.h>

// By value: so the pointers in a struct are arguments of a call, which may be Go's.
static int32_t run_append(baracuda_paged_kv_append op) { return baracuda_paged_kv_append_run(&op); }
static int32_t can_append(baracuda_paged_kv_append op) { return baracuda_paged_kv_append_can_implement(&op); }
static int32_t preload_append(baracuda_paged_kv_append op, int32_t* arch) {
  return baracuda_paged_kv_append_preload(&op, arch);
}
static int32_t run_copy(baracuda_paged_kv_copy op) { return baracuda_paged_kv_copy_run(&op); }
static int32_t can_copy(baracuda_paged_kv_copy op) { return baracuda_paged_kv_copy_can_implement(&op); }
static int32_t preload_copy(baracuda_paged_kv_copy op, int32_t* arch) {
  return baracuda_paged_kv_copy_preload(&op, arch);
}
*/
import "C"

import (
	"fmt"
	"runtime"
)

// Error is a refusal, or what CUDA said.
type Error struct {
	Status  int32
	Name    string
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Name, e.Message) }

// The message of a refusal belongs to a thread, and goroutines change theirs: so nothing comes between the call and its
// message.
func check(call func() C.int32_t) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	status := call()
	if status == C.BARACUDA_OK {
		return nil
	}
	return &Error{int32(status), C.GoString(C.baracuda_status_name(status)), C.GoString(C.baracuda_last_error_message())}
}

// Run appends. With the host backend it has finished when this returns; with CUDA's it is enqueued on the stream.
func (a *Append) Run() error { return check(func() C.int32_t { return C.run_append(a.c()) }) }

// CanImplement says whether Run would refuse, and why, and does nothing.
func (a *Append) CanImplement() error { return check(func() C.int32_t { return C.can_append(a.c()) }) }

// Preload loads what Run would launch, and says for which architecture of GPU it is: 90 for sm_90, 0 for the host.
func (a *Append) Preload() (int32, error) {
	var arch C.int32_t
	err := check(func() C.int32_t { return C.preload_append(a.c(), &arch) })
	return int32(arch), err
}

// Run copies pages, as Append.Run appends.
func (a *Copy) Run() error { return check(func() C.int32_t { return C.run_copy(a.c()) }) }

// CanImplement says whether Run would refuse, and why, and does nothing.
func (a *Copy) CanImplement() error { return check(func() C.int32_t { return C.can_copy(a.c()) }) }

// Preload loads what Run would launch, as Append.Preload does.
func (a *Copy) Preload() (int32, error) {
	var arch C.int32_t
	err := check(func() C.int32_t { return C.preload_copy(a.c(), &arch) })
	return int32(arch), err
}

// Version is that of the library that is loaded.
func Version() string { return C.GoString(C.baracuda_ffi_version()) }

// LoadedABIVersion is that of the library that is loaded; ABIVersion is that of the header that this was built with.
func LoadedABIVersion() int32 { return int32(C.baracuda_ffi_abi_version()) }

// BuildInfo says what was built in, as baracuda_ffi_build_info does.
func BuildInfo() string { return C.GoString(C.baracuda_ffi_build_info()) }

// SetMaxHostThreads says how many threads an append of the host backend may use; 0: as many as there are CPUs for them.
func SetMaxHostThreads(threads int32) error {
	return check(func() C.int32_t { return C.baracuda_host_set_max_threads(C.int32_t(threads)) })
}
