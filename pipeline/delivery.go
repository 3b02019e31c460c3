package pipeline

// Delivery is a guarantee, ordered from weak to strong.
type Delivery uint8

// The guarantees.
const (
	AtMostOnce Delivery = iota
	AtLeastOnce
	ExactlyOnce
)

// String gives the guarantee as it is written in a pipeline file.
func (d Delivery) String() string {
	return [...]string{"at_most_once", "at_least_once", "exactly_once"}[d]
}
