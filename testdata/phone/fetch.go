package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// maxFile is how large a file may be, in octets.
const maxFile = 1 << 20

// fetched is a file that was asked for, and with what status it was answered last.
type fetched struct {
	Name   string `json:"name"`
	Status int    `json:"status"`
	Digest bool   `json:"digest,omitempty"` // the phone answered a challenge
}

// fetcher fetches files as the phone does.
type fetcher struct {
	client         http.Client
	agent          string
	user, password string
	done           []fetched
}

func (p *phone) newFetcher() (*fetcher, error) {
	trust := &tls.Config{}
	if p.ca != "" {
		b, err := os.ReadFile(p.ca)
		if err != nil {
			return nil, err
		}
		if trust.RootCAs = x509.NewCertPool(); !trust.RootCAs.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("%s: no certificate in it", p.ca)
		}
	}
	return &fetcher{
		client: http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: trust}},
		agent:  p.maker.agent, user: p.flash.User, password: p.flash.Password,
	}, nil
}

// get fetches a file; nothing is returned of one that is not there, or that the phone may not
// have. Vendors' phones go on to the next name either way.
func (f *fetcher) get(url string) (body []byte, err error) {
	return f.send(http.MethodGet, url, "")
}

// send sends a request, and if it is refused for want of a password, and the phone has one,
// once more with that.
func (f *fetcher) send(method, url, content string) (body []byte, err error) {
	resp, err := f.once(method, url, content, "")
	if err != nil {
		return nil, err
	}
	defer func() { resp.Body.Close() }()
	done := fetched{Name: resp.Request.URL.Path, Status: resp.StatusCode}
	if resp.StatusCode == http.StatusUnauthorized && f.user != "" {
		if a := answer(resp.Header.Get("WWW-Authenticate"), method, resp.Request.URL.RequestURI(), f.user, f.password); a != "" {
			resp.Body.Close()
			if resp, err = f.once(method, url, content, a); err != nil {
				return nil, err
			}
			done.Status, done.Digest = resp.StatusCode, true
		}
	}
	f.done = append(f.done, done)
	if resp.StatusCode != http.StatusOK {
		return nil, nil
	}
	if body, err = io.ReadAll(io.LimitReader(resp.Body, maxFile+1)); len(body) > maxFile {
		return nil, fmt.Errorf("%s has more than %d octets", url, maxFile)
	}
	return body, err
}

func (f *fetcher) once(method, url, content, authorization string) (*http.Response, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(content))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", f.agent)
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	return f.client.Do(req)
}

// join puts a name behind the URL of a directory.
func join(base, name string) string {
	return strings.TrimRight(base, "/") + "/" + strings.TrimLeft(name, "/")
}
