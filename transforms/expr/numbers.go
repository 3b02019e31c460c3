package expr

import (
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// promote makes + - * / take a double beside an int or uint: in JSON they are the
// same type, and 12.5 * 3 has to work whichever of the two has a fraction today.
func promote(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := i.(interpreter.InterpretableCall)
	if !ok || len(call.Args()) != 2 {
		return i, nil
	}
	var operate func(l, r ref.Val) ref.Val
	switch call.Function() {
	case operators.Add:
		operate = add
	case operators.Subtract:
		operate = subtract
	case operators.Multiply:
		operate = multiply
	case operators.Divide:
		operate = divide
	default:
		return i, nil
	}
	return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), func(args ...ref.Val) ref.Val {
		return operate(sameType(args[0], args[1]))
	}), nil
}

// sameType makes both doubles where one is a double and the other an int or uint.
func sameType(l, r ref.Val) (ref.Val, ref.Val) {
	if _, ok := r.(types.Double); ok {
		l = toDouble(l)
	} else if _, ok := l.(types.Double); ok {
		r = toDouble(r)
	}
	return l, r
}

func toDouble(v ref.Val) ref.Val {
	switch v := v.(type) {
	case types.Int:
		return types.Double(v)
	case types.Uint:
		return types.Double(v)
	}
	return v
}

func add(l, r ref.Val) ref.Val {
	if l, ok := l.(traits.Adder); ok {
		return l.Add(r)
	}
	return types.MaybeNoSuchOverloadErr(l)
}

func subtract(l, r ref.Val) ref.Val {
	if l, ok := l.(traits.Subtractor); ok {
		return l.Subtract(r)
	}
	return types.MaybeNoSuchOverloadErr(l)
}

func multiply(l, r ref.Val) ref.Val {
	if l, ok := l.(traits.Multiplier); ok {
		return l.Multiply(r)
	}
	return types.MaybeNoSuchOverloadErr(l)
}

func divide(l, r ref.Val) ref.Val {
	if l, ok := l.(traits.Divider); ok {
		return l.Divide(r)
	}
	return types.MaybeNoSuchOverloadErr(l)
}
