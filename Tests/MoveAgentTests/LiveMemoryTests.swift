import CLinux
import Foundation
import Glibc
import Procfs
import SystemCalls
import TestSupport
import Testing
import Transfer

@testable import MoveAgent

@Suite("Memory of live moves")
struct LiveMemoryTests {
    /// A map as criu 4.2 writes it: head, pages that may come later, pages of an older criu.
    private static let map = hex(
        """
        19 43 56 54 25 40 08 56                        // two magic numbers
        02 00 00 00 08 03                              // pages-3.img
        0b 00 00 00 08 80 a0 81 02 10 02 20 06 28 02   // 0x405000: two pages, which may come later
        07 00 00 00 08 80 e0 81 02 10 01               // 0x407000: one page, place not said
        """)

    @Test func mapsAreReadAndWritten() throws {
        let map = try #require(PageMap(Self.map))
        #expect(map.number == 3)
        #expect(
            map.runs == [
                .init(start: 0x405000, pages: 2, place: [.present, .deferrable]),
                .init(start: 0x407000, pages: 1, place: .present),
            ])
        #expect(PageMap(map.bytes) == map)
        var made = PageMap(number: 3)
        made.add(0x405000, [.present, .deferrable])
        made.add(0x406000, [.present, .deferrable])
        made.add(0x407000, .present)
        #expect(made == map)
        made.add(0x408000, pages: 1 << 33, .parent)
        #expect(PageMap(made.bytes)?.runs.last?.pages == 1 << 33)
    }

    /// Whatever bytes they are: no map, or one that is written as it is read.
    @Test func mapsThatAreNone() {
        #expect(PageMap([]) == nil)
        for length in 1..<Self.map.count {
            if let map = PageMap(Array(Self.map[..<length])) { #expect(PageMap(map.bytes) == map) }
        }
        for index in Self.map.indices {
            for bit in 0..<8 {
                var bytes = Self.map
                bytes[index] ^= 1 << bit
                if let map = PageMap(bytes) { #expect(PageMap(map.bytes) == map) }
            }
        }
        func map(_ runs: [(UInt64, UInt64)]) -> PageMap? {
            var made = PageMap(number: 1)
            for run in runs { made.add(run.0, pages: run.1, run.0 == 0 ? .parent : .present) }
            return PageMap(made.bytes)
        }
        #expect(map([(4096, 1), (8192, 4)]) != nil)
        // Pages that are in two runs, in no run, in another order, between pages, beyond all addresses.
        #expect(map([(4096, 2), (8192 - 4096, 1)]) == nil)
        #expect(map([(4096, 0)]) == nil)
        #expect(map([(8192, 1), (0, 1)]) == nil)
        #expect(map([(4097, 1)]) == nil)
        #expect(map([(1 << 60, 1)]) == nil)
        #expect(map([(4096, 1 << 50)]) == nil)
    }

    @Test func privateAreasWithoutAFile() {
        let maps = """
            00400000-00401000 rw-p 00000000 fe:00 254163                     /usr/bin/head
            00500000-00503000 rw-p 00000000 00:00 0                          [heap]
            00600000-00601000 ---p 00000000 00:00 0
            00700000-00701000 rw-s 00000000 00:01 12                         /dev/zero (deleted)
            00800000-00801000 r--p 00000000 00:00 0                          [anon:name]
            00900000-00901000 rw-p 00000000 00:00 0                          [stack]
            00a00000-00a01000 r--p 00000000 00:00 0                          [vvar]
            00b00000-ffffff000000 rw-p 00000000 00:00 0
            00c00000-00b00000 rw-p 00000000 00:00 0
            nonsense

            """
        #expect(
            WrittenMemory.areas(Array(maps.utf8)) == [
                0x500000..<0x503000, 0x600000..<0x601000, 0x800000..<0x801000,
            ])
        // Present or swapped, and no page of a file.
        #expect(WrittenMemory.isWritten(1 << 63) && WrittenMemory.isWritten(1 << 62 | 5))
        #expect(
            !WrittenMemory.isWritten(0) && !WrittenMemory.isWritten(1 << 63 | 1 << 61)
                && !WrittenMemory.isWritten(1 << 61))
    }

    @Test func digestsByTheirAddresses() {
        func hash(_ number: UInt64) -> BlockHash { BlockHash(high: 7, low: number) }
        let runs: [PageMap.Run] = [
            .init(start: 0x1000, pages: 2, place: .present), .init(start: 0x5000, pages: 1, place: .present),
        ]
        func known() -> MemoryAhead.Known { .init(runs: runs, hashes: [hash(0), hash(1), hash(2)]) }
        var one = known()
        var found: [BlockHash?] = []
        for page in UInt64(0)..<7 { found.append(one.hash(at: page << 12)) }
        #expect(found == [nil, hash(0), hash(1), nil, nil, hash(2), nil])
        var other = known()
        let asked: [([BlockHash], UInt64)] = [
            ([hash(0), hash(1), hash(2)], 0x1000), ([hash(0), hash(2)], 0x1000),
            ([hash(0), hash(1)], 0x1000),
            ([hash(1)], 0x2000), ([hash(1)], 0x3000), ([hash(2)], 0x5000),
        ]
        var answers: [Bool] = []
        for (hashes, address) in asked { answers.append(other.areEqual(hashes, at: address)) }
        #expect(answers == [false, false, true, true, false, true])
    }

    /// Pages of this process itself: read ahead, changed, and then only what differs is in the image.
    @Test func onlyWhatDiffersIsInTheImage() throws {
        let folder = try makeTemporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func file(_ name: String) throws -> [UInt8] {
            try FileDescriptor.open("\(folder)/\(name)", O_RDONLY).readAll()
        }
        func write(_ bytes: [UInt8], to name: String) throws {
            try FileDescriptor.open("\(folder)/\(name)", O_WRONLY | O_CREAT, mode: 0o600).writeAll(bytes)
        }
        let count = 5120
        let size = count * 4096
        let place = try #require(
            mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        defer { munmap(place, size) }
        func fill(_ page: Int, _ value: UInt8) { memset(place + page * 4096, Int32(value), 4096) }
        for page in 0..<count where page != 9 { fill(page, UInt8(1 + page % 200)) }
        // A page of zeros is a hole there, and equal all the same.
        fill(8, 0)
        let start = try #require(ProcessDirectory(getpid())?.status()?.startTicks)
        // In its own namespace it may have another one.
        let number = NamespaceNumber.of(getpid())
        let own = Members.Process(pid: getpid(), parent: 0, start: start, program: 0)
        let ahead = try #require(try MemoryAhead(of: [own], in: folder + "/ahead"))
        let progress = TransferProgress()
        #expect(try ahead.read(progress) >= UInt64(size) - 3 * 4096)
        mprotect(place, 4096, PROT_READ)
        fill(3, 250)
        mprotect(place + 4096, 4096, PROT_NONE)
        // Other tests write to this process as well: of these pages alone is it known what is to be written again. What no reader saw
        // shows where nothing was.
        let address = UInt64(UInt(bitPattern: place))
        let part = try #require(ahead.parts.first)
        let pages = "ahead/pages-\(part.map.number).img"
        // Where the image has them; the page that was never written it may not have.
        var places: [Int: Int] = [:]
        var index = 0
        for run in part.map.runs {
            for at in 0..<run.pages {
                let number = Int(bitPattern: UInt(run.start + at * 4096)) - Int(bitPattern: place)
                places[number / 4096] = index * 4096
                index += 1
            }
        }
        let changed = try #require(places[3])
        let same = (0..<count).filter { $0 != 3 && $0 != 9 }.compactMap { places[$0] }
        #expect(same.count == count - 2)
        let mark = [UInt8]("unread".utf8)
        let marked = try FileDescriptor.open("\(folder)/\(pages)", O_WRONLY).release()
        for offset in same { #expect(pwrite(marked, mark, mark.count, off_t(offset)) == mark.count) }
        close(marked)
        _ = try ahead.read(progress)
        let now = Array(try #require(FileManager.default.contents(atPath: "\(folder)/\(pages)")))
        #expect(now.count == index * 4096)
        #expect(same.allSatisfy { now[$0..<$0 + mark.count] == mark[...] })
        #expect(now[changed..<changed + 4096].allSatisfy { $0 == 250 })
        fill(4, 251)
        fill(9, 252)
        let images = folder + "/images"
        #expect(mkdir(images, 0o700) == 0)
        var map = PageMap(number: 7)
        map.add(address, pages: UInt64(count), .deferrable)
        map.add(address + UInt64(size) + 4096, .present)
        try write(map.bytes, to: "images/pagemap-\(number).img")
        try write([UInt8](repeating: 9, count: 4096), to: "images/pages-7.img")
        let figures = try MemoryDifference(images: images, pids: [number: getpid()], ahead: ahead).make(
            parent: "../ahead")
        #expect(figures == .init(all: UInt64(size) + 4096, known: UInt64(size) - 2 * 4096))
        let made = try #require(PageMap(try file("images/pagemap-\(number).img")))
        #expect(
            made.runs == [
                .init(start: address, pages: 4, place: .parent),
                .init(start: address + 4 * 4096, pages: 1, place: [.present, .deferrable]),
                .init(start: address + 5 * 4096, pages: 4, place: .parent),
                .init(start: address + 9 * 4096, pages: 1, place: [.present, .deferrable]),
                .init(start: address + 10 * 4096, pages: UInt64(count - 10), place: .parent),
                .init(start: address + UInt64(size) + 4096, pages: 1, place: .present),
            ])
        #expect(
            try file("images/pages-7.img")
                == [251, 252, 9].flatMap { [UInt8](repeating: $0, count: 4096) })
        var link = [CChar](repeating: 0, count: 64)
        #expect(readlink(images + "/parent", &link, 63) == 8)
    }

    @Test func pagesThatAreAskedFor() throws {
        let question = hex(
            """
            07 00 00 00 00 00 00 00  // PS_IOV_GET
            10 00 00 00 00 00 00 00  // 16 pages
            00 10 a0 fa 7f 00 00 00  // from 0x7ffaa01000
            2a 00 00 00 00 00 00 00  // of process 42
            """)
        let wanted = try PagesWanted(question)
        #expect(wanted == PagesWanted(start: 0x7f_faa0_1000, pages: 16, number: 42))
        #expect(wanted.question == question)
        #expect(wanted.head == [6, 0, 4] + question.dropFirst(3))
        #expect(try wanted.length(behind: wanted.head) == 16 * 4096)
        // An answer to another question is none.
        let other = PagesWanted(start: 0x7f_faa0_1000, pages: 15, number: 42)
        #expect(throws: TransferError.self) { try wanted.length(behind: other.head) }
        #expect(throws: TransferError.self) { try wanted.length(behind: wanted.question) }
        for (at, value) in [(0, 6), (2, 1), (8, 0), (16, 1), (23, 1), (24, 0), (28, 1), (31, 0x80)]
            as [(Int, UInt8)]
        {
            var bytes = question
            bytes[at] = value
            #expect(throws: TransferError.self, "byte \(at)") { try PagesWanted(bytes) }
        }
        #expect(throws: TransferError.self) { try PagesWanted(Array(question.dropLast())) }
        #expect(throws: TransferError.self) { try PagesWanted(question + [0]) }
        // Of very many come those that fit into a frame.
        var many = question
        many[11] = 1
        #expect(try PagesWanted(many).pages == PagesWanted.most)
        many[13] = 255
        #expect(throws: TransferError.self) { try PagesWanted(many) }
    }

    /// What the other agent asks for is served only where the images have left it in the process.
    @Test func onlyPagesThatWereLeftAreServed() throws {
        var map = PageMap(number: 1)
        map.add(0x1000, pages: 2, .deferrable)
        map.add(0x3000, pages: 1, [.deferrable, .present])
        map.add(0x5000, pages: 1, .deferrable)
        map.add(0x6000, pages: 1, .present)
        let asked: [(UInt64, UInt64, Bool)] = [
            (0x1000, 2, true), (0x2000, 1, true), (0x1000, 3, false), (0x3000, 1, false), (0x4000, 1, false),
            (0x4000, 2, false), (0x5000, 1, true), (0x5000, 2, false), (0x0, 1, false), (0x0, 2, false),
            (0x9000, 1, false),
        ]
        for (start, pages, isServed) in asked {
            #expect(map.leaves(start, pages) == isServed, "\(start) \(pages)")
        }
    }
}
