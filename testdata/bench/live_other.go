//go:build !linux

package main

import "errors"

func (*bench) f8() error { return skipped("live capture needs Linux") }

func readLive(string) error { return errors.New("live capture needs Linux") }

func (b *bench) f1() error { return skipped("it is measured on Linux alone") }
func (b *bench) f2() error { return skipped("it is measured on Linux alone") }
