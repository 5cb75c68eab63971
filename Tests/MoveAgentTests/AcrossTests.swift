import Glibc
import Records
import TestSupport
import Testing

@testable import MoveAgent

@Suite("Trees at several hosts")
struct AcrossTests {
    private static let order = AcrossOrder(
        name: "web-1",
        hosts: [
            .init(name: "a", address: "10.0.0.1", port: 7421, pids: [10, 11]),
            .init(name: "b", address: "fd00::2", port: 99, pids: [12]),
        ],
        regions: [
            .init(
                bytes: 8192,
                mappings: [.init(pid: 10, range: 0x7000_0000_0000..<0x7000_0000_1000, offset: 4096)],
                name: "/dev/zero")
        ], window: 100_000)

    @Test("An order comes back as it was sent")
    func roundTrip() {
        #expect(AcrossOrder(Self.order.value) == Self.order)
    }

    @Test(
        "What cannot be ordered is refused: paths for names, mappings beyond their memory, a process at two hosts"
    )
    func refusesOthers() {
        func refused(_ change: (inout AcrossOrder) -> Void) -> Bool {
            var order = Self.order
            change(&order)
            return AcrossOrder(order.value) == nil
        }
        #expect(refused { $0.name = "../x" } && refused { $0.name = "" } && refused { $0.name = "a/b" })
        #expect(refused { $0.hosts.removeLast() } && refused { $0.regions = [] })
        #expect(refused { $0.hosts[1].pids = [11] } && refused { $0.hosts[1].pids = [1] })
        #expect(refused { $0.hosts[1].port = 0 } && refused { $0.window = 2_000_000_000 })
        #expect(refused { $0.hosts = Array(repeating: $0.hosts[0], count: 65) })
        #expect(refused { $0.regions[0].bytes = 4095 } && refused { $0.regions[0].bytes = 1 << 41 })
        #expect(refused { $0.regions[0].mappings[0].offset = 8192 })
        #expect(refused { $0.regions[0].mappings[0].offset = .max & ~4095 })
        #expect(refused { $0.regions[0].mappings[0].range = 0..<(1 << 62) })
        #expect(refused { $0.regions[0].mappings[0].range = 1..<4097 })
        for value in [JSONValue.null, .object([]), .array([]), .object([.init("name", .string("a"))])] {
            #expect(AcrossOrder(value) == nil)
        }
    }

    @Test("Shared mappings are read from smaps with their offset and flags; private ones are left out")
    func areas() throws {
        let text = """
            55d0c0000000-55d0c0001000 rw-p 00000000 00:00 0                          [heap]
            Size:                  4 kB
            VmFlags: rd wr mr mw me ac lo
            7f0000000000-7f0000041000 rw-s 00002000 00:01 4711                       /dev/zero (deleted)
            Size:                260 kB
            ShmemPmdMapped:        0 kB
            VmFlags: rd wr sh mr mw me ms
            7f0000041000-7f0000042000 r--s 00000000 fe:01 12                         /srv/a b
            ShmemPmdMapped:     2048 kB
            VmFlags: rd sh lo ht
            7f0000042000-7f0000043000 r--p 00000000 fe:01 12                         /srv/a b
            VmFlags: rd um

            """
        let areas = SharedArea.parse(Array(text.utf8))
        try #require(areas.count == 2)
        #expect(areas[0].range == 0x7f00_0000_0000..<0x7f00_0004_1000 && areas[0].offset == 0x2000)
        #expect(areas[0].isWritable && areas[0].place == [0, 1, 4711] && !areas[0].hasHugePages)
        #expect(areas[0].path == Array("/dev/zero (deleted)".utf8) && !areas[0].flags.contains("lo"))
        #expect(!areas[1].isWritable && areas[1].hasHugePages && areas[1].flags == ["rd", "sh", "lo", "ht"])
        #expect(areas[1].path == Array("/srv/a b".utf8))
    }

    @Test("Bytes that are no smaps are no mappings")
    func noAreas() {
        for text in [
            "", "\n\n", "Size: 4 kB\n", "VmFlags: lo\n", "1-0 rw-s 0 0:0 0\n", "x-y rw-s 0 0:0 0\n",
            "0-1 rw-s z 0:0 0\n",
        ] {
            #expect(SharedArea.parse(Array(text.utf8)).isEmpty)
        }
    }

    @Test("Words of the command: hosts with addresses, processes at hosts, and what is missing")
    func options() throws {
        let words = [
            "23", "--over", "b=10.0.0.2,c=[fd00::3]:99", "--place", "b=24,25", "--place=c=26", "--listen",
            "10.0.0.1:7",
        ]
        let options = try AcrossOptions(words, isJoin: false)
        #expect(options.pid == 23 && options.name == "23" && options.window == 100_000)
        #expect(options.address == "10.0.0.1" && options.port == 7)
        #expect(
            options.hosts == [
                .init(name: "b", address: "10.0.0.2", port: 7421, pids: [24, 25]),
                .init(name: "c", address: "fd00::3", port: 99, pids: [26]),
            ])
        for wrong in [
            [], ["23"], Array(words.dropLast(2)), words + ["--place", "d=1"], words + ["--place", "b=26"],
            words + ["--place", "b"], words + ["--over", "b=10.0.0.9"], words + ["24"],
            words + ["--window", "2000000"],
            words + ["--accept", "a"], words + ["--name", "../a"], words + ["--no"],
        ] {
            #expect(throws: MoveError.self) { try AcrossOptions(wrong, isJoin: false) }
        }
        let join = try AcrossOptions(["--listen", "10.0.0.2", "--accept", "a", "--accept=b"], isJoin: true)
        #expect(join.accepted == ["a", "b"] && join.port == 7421)
        for wrong in [
            [], ["--listen", "10.0.0.2"], ["--accept", "a"], ["--listen", "x:0", "--accept", "a"], ["23"],
        ] {
            #expect(throws: MoveError.self) { try AcrossOptions(wrong, isJoin: true) }
        }
    }

    @Test("Figures of no request are zeros, then least, most and mean")
    func figures() {
        var figures = PageFigures()
        #expect(figures.value["least_ns"] == .integer(0) && figures.value["mean_ns"] == .integer(0))
        for time in [UInt64(30), 10, 20] { figures.note(time) }
        #expect(figures.value["requests"] == .integer(3) && figures.value["least_ns"] == .integer(10))
        #expect(figures.value["most_ns"] == .integer(30) && figures.value["mean_ns"] == .integer(20))
    }
}
