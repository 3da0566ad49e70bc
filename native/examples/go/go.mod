module example.org/baracuda_ffi/append

go 1.18
