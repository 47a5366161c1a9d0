// Package bridge lets the packages beside tasuki reach what a Client does not
// export: as package log hands log/slog its output through log/internal, so that
// no user sees a method that is not for him.
package bridge

import "github.com/tasuki-dev/tasuki/internal/store"

// Store returns the store of a *tasuki.Client. Package tasuki sets it.
var Store func(client any) *store.Store
