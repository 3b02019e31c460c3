package trial

import (
	"encoding/json"
	"strconv"
	"strings"
)

// alike gives a value in which numbers are written as in want, where both are the same.
func alike(want, got any) any {
	switch got := got.(type) {
	case json.Number:
		if n, ok := want.(json.Number); ok && decimalOf(n) == decimalOf(got) {
			return n
		}
	case map[string]any:
		wanted, _ := want.(map[string]any)
		for name, value := range got {
			got[name] = alike(wanted[name], value)
		}
	case []any:
		wanted, _ := want.([]any)
		for i := range got {
			if i < len(wanted) {
				got[i] = alike(wanted[i], got[i])
			}
		}
	}
	return got
}

// decimal is a number, whatever its size, in the one form that it has: digits without
// zeros at either end, times ten to a power.
type decimal struct {
	minus  bool
	digits string
	power  int
	other  json.Number // of a power that no int holds: as it was written
}

func decimalOf(n json.Number) decimal {
	text, minus := strings.CutPrefix(n.String(), "-")
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	power := 0
	if exponent != "" {
		var err error
		if power, err = strconv.Atoi(exponent); err != nil {
			return decimal{other: n}
		}
	}
	digits := strings.TrimLeft(whole+fraction, "0")
	short := strings.TrimRight(digits, "0")
	if short == "" {
		return decimal{}
	}
	return decimal{minus: minus, digits: short, power: power - len(fraction) + len(digits) - len(short)}
}
