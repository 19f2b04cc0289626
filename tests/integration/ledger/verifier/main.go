// Verifies a published ledger with nothing but the packages that guard go.sum: verifier FOLDER VKEY
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8 // of a tile: 256 hashes

// check ends the program with what is wrong.
func check(good bool, what string, arguments ...any) {
	if !good {
		fmt.Printf(what+"\n", arguments...)
		os.Exit(1)
	}
}

// read gives a file where c2sp.org/tlog-tiles has it: as Go does, without the height, and with other names for entries.
func read(path string) []byte {
	path = strings.Replace(strings.Replace(path, "tile/8/data/", "tile/entries/", 1), "tile/8/", "tile/", 1)
	content, err := os.ReadFile(filepath.Join(os.Args[1], path))
	check(err == nil, "MISSING %s", path)
	return content
}

// hashes are those of the whole tree, built anew from the leaves.
type hashes []tlog.Hash

func (known hashes) ReadHashes(indexes []int64) (found []tlog.Hash, err error) {
	for _, index := range indexes {
		found = append(found, known[index])
	}
	return found, nil
}

// tilesOf a tree of this size are full, but for the last one of each level.
func tilesOf(size int64) (tiles []tlog.Tile) {
	for level := 0; size > 0; level++ {
		for start := int64(0); start < size; start += 1 << height {
			tile := tlog.Tile{H: height, L: level, N: start >> height, W: 1 << height}
			if left := size - start; left < 1<<height {
				tile.W = int(left)
			}
			tiles = append(tiles, tile)
		}
		size >>= height
	}
	return tiles
}

func main() {
	verifier, err := note.NewVerifier(os.Args[2])
	check(err == nil, "BAD KEY: %v", err)
	checkpoint, err := note.Open(read("checkpoint"), note.VerifierList(verifier))
	check(err == nil, "UNSIGNED checkpoint: %v", err)
	lines := strings.Split(checkpoint.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err == nil, "BAD CHECKPOINT: %v", err)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	check(err == nil, "BAD CHECKPOINT: %v", err)

	// The leaves' hashes give the root that was signed, and every other tile.
	var tree hashes
	tiles := tilesOf(size)
	for _, tile := range tiles {
		if content := read(tile.Path()); tile.L == 0 {
			check(len(content) == tile.W*tlog.HashSize, "TAMPERED %s: its length", tile.Path())
			for place := 0; place < tile.W; place++ {
				var leaf tlog.Hash
				copy(leaf[:], content[place*tlog.HashSize:])
				stored, err := tlog.StoredHashesForRecordHash(tile.N<<height+int64(place), leaf, tree)
				check(err == nil, "IMPOSSIBLE: %v", err)
				tree = append(tree, stored...)
			}
		}
	}
	hash, err := tlog.TreeHash(size, tree)
	check(err == nil && bytes.Equal(hash[:], root), "TAMPERED tiles: they do not give the root that was signed")
	for _, tile := range tiles {
		content, err := tlog.ReadTileData(tile, tree)
		check(err == nil && bytes.Equal(content, read(tile.Path())), "TAMPERED %s", tile.Path())
	}

	// The entries give the leaves' hashes.
	for _, tile := range tiles {
		if tile.L != 0 {
			continue
		}
		content := read(tlog.Tile{H: height, L: -1, N: tile.N, W: tile.W}.Path())
		for place := int64(0); place < int64(tile.W); place++ {
			index := tile.N<<height + place
			check(len(content) >= 2, "TAMPERED entry %d: cut", index)
			length := 2 + int(binary.BigEndian.Uint16(content))
			check(len(content) >= length, "TAMPERED entry %d: cut", index)
			leaf := tree[tlog.StoredHashIndex(0, index)]
			check(tlog.RecordHash(content[2:length]) == leaf, "TAMPERED entry %d: not what was logged", index)
			content = content[length:]
		}
		check(len(content) == 0, "TAMPERED entries after %d: too many", tile.N<<height+int64(tile.W))
	}
	fmt.Printf("VERIFIED %d entries of %s\n", size, lines[0])
}
