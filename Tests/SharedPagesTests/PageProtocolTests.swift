import TestSupport
import Testing

@testable import SharedPages

@Suite("Pages of shared memory that hosts pass on")
struct PageProtocolTests {
    @Test(
        "One writer or many readers, and reads see the last write, in whatever order messages of different hosts arrive"
    )
    func isCoherent() throws {
        for seed in 0..<UInt64(60) {
            var numbers = SeededGenerator(seed: seed)
            var simulation = Simulation(
                hosts: Int.random(in: 2...6, using: &numbers), pages: Int.random(in: 1...4, using: &numbers),
                seed: seed)
            for _ in 0..<2000 { _ = try simulation.step() }
            // Nobody begins anything; what is on its way arrives, and whoever has asked gets what it has asked for.
            while try simulation.step(threadsGoOn: false) {}
            #expect(simulation.threads.allSatisfy { !$0.isWaiting }, "seed \(seed)")
            #expect(simulation.threads.allSatisfy { $0.done > 0 }, "seed \(seed)")
            #expect(simulation.delivered > 100, "seed \(seed)")
            for node in simulation.nodes {
                #expect((0..<UInt32(node.pages)).allSatisfy { !node.isWaiting($0) }, "seed \(seed)")
            }
        }
    }

    @Test("That a copy is given up must have been acknowledged before another host writes")
    func needsAcknowledgements() {
        var broken = 0
        for seed in 0..<UInt64(50) {
            var simulation = Simulation(hosts: 4, pages: 2, seed: seed)
            simulation.skipsAcknowledgements = true
            do { for _ in 0..<3000 { _ = try simulation.step() } } catch { broken += 1 }
        }
        #expect(broken == 50)
    }

    @Test("Nobody is passed over for ever: each host gets its turn of one page that all write")
    func isFair() throws {
        var simulation = Simulation(hosts: 6, pages: 1, seed: 23)
        for _ in 0..<20_000 { _ = try simulation.step() }
        let done = simulation.threads.map(\.done)
        #expect(done.min()! * 4 > done.max()!, "\(done)")
    }

    @Test("What cannot have been sent is refused, and changes nothing")
    func refusesTheImpossible() throws {
        for kind in PageMessage.Kind.allCases where kind != .readRequest && kind != .writeRequest {
            for (host, sender) in [(UInt8(0), UInt8(1)), (1, 0), (1, 2)] {
                var node = PageNode(region: 1, pages: 4, host: host, home: 0)
                var memory = SimulatedMemory()
                memory.contents = host == 0 ? [0: [1], 1: [1], 2: [1], 3: [1]] : [:]
                let before = memory.contents
                for page in [UInt32(2), 4, .max] {
                    var out: [(to: UInt8, PageMessage)] = []
                    #expect(throws: PageNode.Refusal<SimulatedMemory.Broken>.self) {
                        try node.receive(
                            PageMessage(kind, region: 1, page: page, sequence: 9, host: 5), from: sender,
                            &memory, &out)
                    }
                    #expect(out.isEmpty)
                }
                #expect(memory.contents == before)
            }
        }
    }

    @Test("A host asks for a page once at a time")
    func refusesASecondRequest() throws {
        var node = PageNode(region: 1, pages: 1, host: 0, home: 0)
        var memory = SimulatedMemory()
        memory.contents[0] = [1]
        var out: [(to: UInt8, PageMessage)] = []
        try node.receive(PageMessage(.writeRequest, region: 1, page: 0), from: 1, &memory, &out)
        #expect(out.map(\.1.kind) == [.writable])
        for kind in [PageMessage.Kind.readRequest, .writeRequest] {
            #expect(throws: PageNode.Refusal<SimulatedMemory.Broken>.self) {
                try node.receive(PageMessage(kind, region: 1, page: 0), from: 1, &memory, &out)
            }
        }
        try node.receive(PageMessage(.readRequest, region: 1, page: 0), from: 2, &memory, &out)
        #expect(throws: PageNode.Refusal<SimulatedMemory.Broken>.self) {
            try node.receive(PageMessage(.readRequest, region: 1, page: 0), from: 2, &memory, &out)
        }
    }
}

@Suite("Messages of pages as bytes")
struct PageMessageTests {
    @Test("Each kind comes back as it was sent")
    func roundTrip() throws {
        for kind in PageMessage.Kind.allCases {
            var message = PageMessage(
                kind, region: 0x1234, page: 0x89ab_cdef, sequence: 0x0123_4567_89ab_cdef, host: 63)
            message.isCopyThere = kind == .yield
            #expect(try PageMessage(message.bytes) == message)
            #expect(message.bytes.count == PageMessage.headBytes)
            guard kind == .readable || kind == .writable else { continue }
            message.contents = (0..<4096).map { UInt8(truncatingIfNeeded: $0) }
            #expect(try PageMessage(message.bytes) == message)
            #expect(message.bytes.count == PageMessage.mostBytes)
        }
        let message = PageMessage(.yield, region: 1, page: 2, sequence: 3, host: 4, isCopyThere: true)
        #expect(message.bytes == [4, 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 4])
    }

    @Test(
        "Bytes of no message are refused: cut, too long, unknown kinds and flags, contents where none belong")
    func refusesOthers() {
        let page = PageMessage(.readable, region: 1, page: 2, contents: Array(repeating: 7, count: 4096))
            .bytes
        for count in 0..<page.count where count % 7 == 0 || count < 20 {
            #expect(throws: PageError.malformed) { try PageMessage(Array(page[..<count])) }
        }
        #expect(throws: PageError.malformed) { try PageMessage(page + [0]) }
        let plain = PageMessage(.invalidate, region: 1, page: 2).bytes
        for kind in [UInt8(0), 10, 255] {
            #expect(throws: PageError.malformed) { try PageMessage([kind] + plain[1...]) }
        }
        for flags in [UInt8(1), 2, 4, 0x80] {
            #expect(throws: PageError.malformed) { try PageMessage([plain[0], flags] + plain[2...]) }
        }
        #expect(throws: PageError.malformed) {
            try PageMessage([PageMessage.Kind.share.rawValue] + page[1...])
        }
    }
}
