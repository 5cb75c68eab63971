import Glibc
import SystemCalls
import TestSupport
import Testing

@testable import MoveAgent

/// Several trees of processes that go on alive together.
@Suite("Trees of live moves")
struct LiveTreesTests {
    private func process(_ pid: Int32, below parent: Int32) -> Members.Process {
        .init(pid: pid, parent: parent, start: 1, program: 0)
    }

    @Test func topsAreBelowNoOther() {
        // 20 by way of 15, which is no program of the plan.
        let parents: [Int32: Int32] = [10: 1, 15: 10, 20: 15, 30: 1, 40: 2, 2: 0, 1: 0]
        let leaders = [
            process(10, below: 1), process(20, below: 15), process(30, below: 1), process(40, below: 2),
        ]
        #expect(LiveTrees.tops(of: leaders, parents: parents).map(\.pid) == [10, 30, 40])
        #expect(LiveTrees.tops(of: [leaders[1]], parents: parents).map(\.pid) == [20])
        // One that has ended meanwhile.
        #expect(LiveTrees.tops(of: [process(99, below: 98)], parents: parents).map(\.pid) == [99])
        // Numbers that were given anew while they were read.
        #expect(LiveTrees.tops(of: [process(7, below: 8)], parents: [7: 8, 8: 9, 9: 8]).map(\.pid) == [7])
    }

    @Test func numbersInNamesOfImages() {
        func number(_ path: String, _ kind: String = "core") -> Int32? {
            ImageFile.number(Array(path.utf8), kind)
        }
        #expect(
            number("/core-7.img") == 7 && number("/0/core-21248.img") == 21_248 && number("core-1.img") == 1)
        for path in [
            "/core-.img", "/core-x.img", "/core-99999999999.img", "/core-8.bin", "/mm-9.img", "/acore-5.img",
            "/core-3/x",
            "", "/", "/core-.img/core-",
        ] { #expect(number(path) == nil, "\(path)") }
        #expect(number("/12/pagemap-5.img", "pagemap") == 5 && number("/12/pagemap-5.img") == nil)
    }

    @Test func imagesOfTreesAreCounted() throws {
        try withTemporaryFolder { folder in
            #expect(LiveDump.count(below: folder) == 0 && LiveDump.count(below: folder + "/none") == 0)
            for name in ["1", "3", "x"] { try makeFolder(folder + "/" + name) }
            #expect(LiveDump.count(below: folder) == 0)
            try makeFolder(folder + "/0")
            #expect(LiveDump.count(below: folder) == 2)
        }
    }

    @Test func packetsWithinTheHostAreHeldBackOnlyBetweenTrees() {
        var lock = LiveLock(name: "a", ports: [ServicePort(isTCP: true, number: 9000)])
        #expect(lock.text.components(of: "\"lo\"") == 2)
        lock.isLocal = true
        #expect(lock.text.components(of: "\"lo\"") == 0)
        #expect(lock.text.components(of: "@ports drop") == 2)
    }

    /// Of this process itself, in the place of two.
    @Test func onePlaceInAFileThatTwoHave() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/a\nb"
            try write("x", to: path)
            let own = getpid()
            func found() -> [String] { SharedPlaces.found([[own], [own]]).filter { $0.contains(folder) } }
            func number(_ flags: Int32) throws -> Int32 { try FileDescriptor.open(path, flags).release() }
            let appended = try [number(O_WRONLY | O_APPEND), number(O_WRONLY | O_APPEND)]
            let copy = dup(appended[0])
            defer { for number in appended + [copy] { close(number) } }

            #expect(found() == [])
            for flags in [O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_APPEND] {
                let number = try number(flags)
                let sentences = found()
                #expect(sentences.count == 1)
                #expect(
                    sentences.allSatisfy { $0.contains("a\\x0ab") || $0.contains("a\\nb") }, "\(sentences)")
                close(number)
                #expect(found() == [])
            }
        }
    }
}

extension String {
    fileprivate func components(of part: String) -> Int {
        var count = 0
        var rest = self[...]
        while let range = rest.firstRange(of: part) {
            count += 1
            rest = rest[range.upperBound...]
        }
        return count
    }
}
