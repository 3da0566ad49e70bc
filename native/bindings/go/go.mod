module example.org/baracuda_ffi

go 1.18
