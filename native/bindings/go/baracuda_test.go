package baracuda

import (
	"errors"
	"reflect"
	"testing"
	"unsafe"
)

func TestTheLibraryIsOfTheDeclaredABI(t *testing.T) {
	if LoadedABIVersion() != ABIVersion {
		t.Fatalf("the library has ABI version %d, the header %d", LoadedABIVersion(), ABIVersion)
	}
}

// Two pages of two tokens of two elements each.
func slotAppend(kData, vData, key, value []float32, slot []int32) *Append {
	return &Append{
		Backend: BackendHost, Element: ElementF32, Addressing: AddressingSlots,
		PageSize: 2, NumHeads: 1, HeadDim: 2, NumTotalPages: 2, NumRows: 1,
		KData: unsafe.Pointer(&kData[0]), VData: unsafe.Pointer(&vData[0]),
		Key: unsafe.Pointer(&key[0]), Value: unsafe.Pointer(&value[0]), SlotMapping: unsafe.Pointer(&slot[0]),
	}
}

func TestATokenGoesToItsSlot(t *testing.T) {
	kData, vData := make([]float32, 8), make([]float32, 8)
	if err := slotAppend(kData, vData, []float32{1, 2}, []float32{3, 4}, []int32{3}).Run(); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(kData, []float32{0, 0, 0, 0, 0, 0, 1, 2}) || !reflect.DeepEqual(vData, []float32{0, 0, 0, 0, 0, 0, 3, 4}) {
		t.Fatal(kData, vData)
	}
}

func TestARefusalHasItsReason(t *testing.T) {
	kData, vData := make([]float32, 8), make([]float32, 8)
	err := slotAppend(kData, vData, []float32{1, 2}, []float32{3, 4}, []int32{4}).CanImplement()
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.Status != InvalidProblem || refusal.Message == "" {
		t.Fatal(err)
	}
}

func TestWhatAGuardedAppendSkipsIsRecorded(t *testing.T) {
	kData, vData := make([]float32, 8), make([]float32, 8)
	record := new(ErrorRecord)
	op := slotAppend(kData, vData, []float32{1, 2}, []float32{3, 4}, []int32{4})
	op.Flags, op.ErrorRecord = FlagGuarded, record
	if err := op.Run(); err != nil {
		t.Fatal(err)
	}
	if record.Reason != CorruptSlot || record.Seen != 4 || record.Limit != 4 {
		t.Fatal(*record)
	}
}

func TestAPageIsCopied(t *testing.T) {
	kData, vData := []float32{1, 2, 3, 4, 0, 0, 0, 0}, []float32{5, 6, 7, 8, 0, 0, 0, 0}
	op := &Copy{
		Backend: BackendHost, Movement: MovementCopy, NumTotalPages: 2, KElementBytes: 4, VElementBytes: 4, NumCopies: 1,
		KPage: [5]int64{4}, VPage: [5]int64{4}, KData: unsafe.Pointer(&kData[0]), VData: unsafe.Pointer(&vData[0]),
		Source: unsafe.Pointer(&[]int32{0}[0]), Destination: unsafe.Pointer(&[]int32{1}[0]),
	}
	if err := op.Run(); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(kData, []float32{1, 2, 3, 4, 1, 2, 3, 4}) || !reflect.DeepEqual(vData, []float32{5, 6, 7, 8, 5, 6, 7, 8}) {
		t.Fatal(kData, vData)
	}
}
