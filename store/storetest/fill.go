package storetest

import (
	"context"

	"perch/gateway"
)

// Fill commits one record of every kind with every field set, and then a batch
// that replaces some, deletes others and adds more.
func Fill(ctx context.Context, s gateway.Store) error {
	for _, b := range []*gateway.Batch{fullBatch(), otherBatch()} {
		if err := s.Commit(ctx, b); err != nil {
			return err
		}
	}
	return nil
}
