// What keeps code in the process that a thread may still be in when its caller has unloaded the library.
#ifndef BARACUDA_SRC_BASE_STAY_LOADED_H_
#define BARACUDA_SRC_BASE_STAY_LOADED_H_

namespace baracuda {

// From now on what holds this code, the library or whatever it was linked into, stays until the process ends.
void stay_loaded() noexcept;

}  // namespace baracuda

#endif  // BARACUDA_SRC_BASE_STAY_LOADED_H_
