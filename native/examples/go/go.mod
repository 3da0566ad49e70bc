module example.org/append

go 1.18

require example.org/baracuda_ffi v0.1.0

replace example.org/baracuda_ffi => ../../bindings/go
