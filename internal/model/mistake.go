package model

// Mistake is one thing that the model does wrong on purpose: a search that finds none
// of them would prove nothing.
type Mistake uint8

// The mistakes.
const (
	None Mistake = iota

	// Of the scripts.

	SettleUnheld      // an outcome is written though its tag is not held any more
	ClaimWithoutLease // an exchange does not ask whether it may claim
	AcceptUnhanded    // what was handed over is accepted though it lies in hand no more
	SweepTheLiving    // no tombstone is set before a sweep, and none is asked for
	SweepTheSettled   // a sweep puts back what is not there any more
	CountTheSettled   // a sweep counts a crash of what is not there any more

	// Of workers and sweepers.

	ReuseTags       // a call that is repeated brings the tags of the first
	AdoptNothing    // what is held is never compared
	ForgetAtOnce    // a tombstone is removed as soon as nothing is left behind it
	StraysAnytime   // strays are claimed while a wait is under way
	StayGone        // a worker whose lease is gone does not enter anew
	SuspectsAnytime // a suspect is claimed while another runs
	AdoptAnyway     // a suspect that is found is run while another runs
	AcceptAgain     // a call that accepts once more brings the tag of the first
)
