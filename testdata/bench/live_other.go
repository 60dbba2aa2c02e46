//go:build !linux

package main

import "errors"

func (*bench) f8() error { return skipped("live capture needs Linux") }

func readLive(string) error { return errors.New("live capture needs Linux") }

// onLinux are the figures that are measured on Linux alone.
const onLinux = skipped("it is measured on Linux alone")

func (*bench) f1() error      { return onLinux }
func (*bench) f2() error      { return onLinux }
func (*bench) f3() error      { return onLinux }
func (*bench) f12() error     { return onLinux }
func (*bench) f13() error     { return onLinux }
func (*bench) f15() error     { return onLinux }
func (*bench) storm() error   { return onLinux }
func (*bench) fetch() error   { return onLinux }
func (*bench) harvest() error { return onLinux }

func fill(string, campus) error { return onLinux }
