import Foundation
import Records
import TestSupport
import Testing

@testable import MoveGroup

/// Where a picture's boxes stand, and where its arrows lead.
@Suite("Layout of pictures")
struct PictureLayoutTests {
    /// A picture of a group, and its layout with sizes that differ.
    private static func layout(_ report: GroupReport, labels: Double = 80) -> (Picture, PictureLayout) {
        let picture = Picture(report, PictureOptions())
        let sizes = picture.boxes.enumerated().map { number, box in
            (width: 60 + Double(number % 7) * 20, height: Double(box.lines.count) * 13 + 10)
        }
        let layout = PictureLayout(
            PictureOutline(picture), sizes: sizes,
            labelWidths: picture.arrows.enumerated().map { $0.element.access == nil ? labels : 0 },
            starts: picture.boxes.indices.filter { picture.boxes[$0].isStart })
        return (picture, layout)
    }

    /// What is wrong with a layout, in words; empty if nothing is.
    private static func faults(_ picture: Picture, _ layout: PictureLayout) -> [String] {
        typealias Rectangle = PictureLayout.Rectangle
        var faults: [String] = []
        func apart(_ one: Rectangle, _ other: Rectangle) -> Bool {
            one.right <= other.x || other.right <= one.x || one.y + one.height <= other.y
                || other.y + other.height <= one.y
        }
        func holds(_ frame: Rectangle, _ box: Rectangle) -> Bool {
            frame.x <= box.x && box.right <= frame.right && frame.y <= box.y
                && box.y + box.height <= frame.y + frame.height + 0.5
        }
        let boxes = layout.boxes
        for one in boxes.indices {
            for other in boxes.indices where other > one && !apart(boxes[one], boxes[other]) {
                faults.append("boxes \(one) and \(other) overlap")
            }
        }
        let frames = layout.frames + [layout.outside].compactMap { $0 }
        for one in frames.indices {
            for other in frames.indices where other > one && !apart(frames[one], frames[other]) {
                faults.append("frames \(one) and \(other) overlap")
            }
        }
        var framed: Set<Int> = []
        for (cluster, frame) in zip(picture.clusters, layout.frames) {
            for box in cluster.boxes {
                framed.insert(box)
                if !holds(frame, boxes[box]) { faults.append("box \(box) leaves its host") }
            }
        }
        for box in boxes.indices where !framed.contains(box) {
            if layout.outside.map({ holds($0, boxes[box]) }) != true {
                faults.append("box \(box) is nowhere")
            }
        }
        for (arrow, route) in zip(picture.arrows, layout.routes) {
            guard let first = route.pieces.first?.0, let last = route.pieces.last?.1 else {
                faults.append("\(arrow.from) to \(arrow.to): no way")
                continue
            }
            for (point, box) in [(first, boxes[arrow.from]), (last, boxes[arrow.to])] {
                let isAtSide = point.x == box.x || point.x == box.right
                if !isAtSide || point.y < box.y || point.y > box.y + box.height {
                    faults.append("\(arrow.from) to \(arrow.to) does not touch its boxes")
                }
            }
            let isInside = route.pieces.allSatisfy {
                min($0.0.x, $0.1.x) >= 0 && max($0.0.x, $0.1.x) <= layout.width + 1
            }
            if !isInside { faults.append("\(arrow.from) to \(arrow.to) leaves the picture") }
        }
        return faults
    }

    /// A host of a tree; a sample cannot be an element of an array.
    private final class Host {
        var sample: TwoHosts.Sample
        let address: UInt32

        init(_ number: Int) {
            address = 0x0a00_0001 + UInt32(number)
            sample = TwoHosts.Sample("host\(number)", name: "h\(number)", address: address)
        }

        func note(_ key: RecordKey) { sample.ledger.note(key, evidence: .exact, time: TwoHosts.time) }

        func endpoint(_ address: UInt32, _ port: UInt16) -> EndpointID {
            sample.ledger.intern(Endpoint(NetworkAddress(v4: address), port: port))
        }

        func listen(_ program: ProgramID, _ port: UInt16) {
            note(.listen(program, .tcp, local: endpoint(0, port)))
        }

        func connect(_ program: ProgramID, _ other: Host, _ port: UInt16) {
            note(.connect(program, .tcp, remote: endpoint(other.address, port), peer: .unknown))
        }

        func accept(_ program: ProgramID, _ port: UInt16, _ other: Host) {
            note(
                .accept(
                    program, .tcp, local: endpoint(address, port), remote: endpoint(other.address, 0),
                    peer: .unknown))
        }
    }

    /// Programs in a tree on a number of hosts, with connections across it, and circles.
    static func tree(_ programs: Int, hosts: Int, children: Int) throws -> GroupReport {
        let all = (0..<hosts).map { Host($0) }
        for number in 0..<programs {
            let host = all[number % hosts]
            let program = host.sample.program("/bin/p\(number)")
            for file in 0..<3 { host.sample.file(program, "/srv/\(number)/\(file)", [.opened, .written]) }
            host.sample.file(program, "/etc/shared", .opened)
            host.listen(program, UInt16(9000 + number))
            for other in [number * children + 1, number * children + 2, number / 2] where other < programs {
                let server = all[other % hosts]
                host.connect(program, server, UInt16(9000 + other))
                server.accept(server.sample.program("/bin/p\(other)"), UInt16(9000 + other), host)
            }
        }
        let graph = try TwoHosts.graph(all.map { $0.sample.ndjson() })
        return GroupReport(graph.moveGroup(of: TwoHosts.nodes("/bin/p0", in: graph)))
    }

    @Test func everythingHasAPlace() throws {
        let (picture, layout) = Self.layout(try TwoHosts.report())
        #expect(Self.faults(picture, layout) == [])
        #expect(layout.outside != nil && layout.frames.count == 2)
    }

    @Test(arguments: [(400, 8, 3), (400, 1, 2), (120, 2, 60), (1, 1, 1), (90, 90, 2)])
    func largeGroups(programs: Int, hosts: Int, children: Int) throws {
        let (picture, layout) = Self.layout(try Self.tree(programs, hosts: hosts, children: children))
        #expect(picture.boxes.count >= programs)
        #expect(Self.faults(picture, layout) == [])
        // Every box of a layer that goes on beside itself would be a picture a hundred times as high as it is wide.
        #expect(layout.height < 3000 * Double(hosts) && layout.height < layout.width * 12)
        // The same again.
        #expect(
            Self.layout(try Self.tree(programs, hosts: hosts, children: children)).1.boxes == layout.boxes)
    }

    /// A thousand that use one thing are no ribbon.
    @Test func aStarIsAsWideAsHigh() throws {
        let host = Host(0)
        let channel = host.sample.ledger.texts.intern("/run/hub")
        for number in 0..<1000 {
            let program = host.sample.program("/bin/p\(number)")
            host.note(.ipc(program, .unix, name: channel, peer: .unknown))
        }
        let graph = try TwoHosts.graph([host.sample.ndjson()])
        let (picture, layout) = Self.layout(
            GroupReport(graph.moveGroup(of: TwoHosts.nodes("/bin/p0", in: graph))))
        #expect(picture.boxes.count == 1001 && Self.faults(picture, layout) == [])
        #expect(layout.width < 3 * layout.height && layout.height < 3 * layout.width)
    }

    @Test func whatDependsStandsLeft() {
        // A circle is drawn as seen from the start.
        let layers = PictureLayers(5, [(1, 2), (2, 3), (3, 1), (0, 2), (1, 1)], starts: [1])
        #expect(layers.layers == [0, 0, 1, 2, 0])
        #expect(layers.isBack == [false, false, true, false, false])
        #expect(layers.order == [1, 2, 3, 0, 4])
        // What nothing leads to stands near what it leads to.
        let late = PictureLayers(4, [(0, 1), (1, 2), (3, 2)], starts: [0])
        #expect(late.layers == [0, 1, 2, 1])
    }

    /// A chain that is longer than any stack.
    @Test func aLongChain() {
        let count = 200_000
        let layers = PictureLayers(count, (1..<count).map { ($0 - 1, $0) }, starts: [0])
        #expect(layers.layers.last == count - 1)
    }

    @Test func whatEverybodyUsesHasNoArrows() throws {
        let report = try Self.tree(40, hosts: 1, children: 2)
        let picture = Picture(report, PictureOptions())
        let shared = try #require(picture.boxes.firstIndex { $0.lines.contains("/etc/shared") })
        #expect(picture.boxes[shared].lines.last == "used by 40 programs")
        #expect(!picture.arrows.contains { $0.to == shared })
        let few = Picture(try Self.tree(12, hosts: 1, children: 2), PictureOptions())
        let known = try #require(few.boxes.firstIndex { $0.lines.contains("/etc/shared") })
        #expect(few.arrows.filter { $0.to == known }.count == 12 && few.boxes[known].lines.count == 1)
    }

    @Test func aNameIsNoMarkUp() throws {
        let text = Format.svg.text(try TwoHosts.report())
        #expect(text.contains(#"/srv/a "b",\\c\n--&gt;];&lt;/svg&gt;&amp;amp;#35;`\x1b[2J\u{202e}\xff\x80"#))
        #expect(!text.contains("\u{1b}") && !text.contains("\u{202e}") && !text.contains("\u{fffd}"))
        #expect(text.components(separatedBy: "</svg>").count == 2)
    }

    @Test func itSaysWhatItShows() throws {
        let text = Format.svg.text(try TwoHosts.report())
        let lines = text.split(separator: "\n").map(String.init)
        #expect(text.contains(">as observed until 2026-11-21</text>"))
        #expect(
            text.contains(">connects to tcp:8000</text>") && text.contains(">4.1 KiB out, 82.0 KiB in</text>")
        )
        #expect(text.contains(">to be reconnected</text>") && text.contains(">outside the group</text>"))
        let systemd = try #require(lines.firstIndex { $0.contains(">stays on web1</text>") })
        #expect(lines[..<systemd].last { $0.hasPrefix("<g") }?.hasPrefix("<g class=\"dim\">") == true)
        #expect(lines.contains { $0.hasPrefix("<path class=\"arrow write\"") })
        #expect(lines.contains { $0.hasPrefix("<path class=\"arrow faint\"") })
        #expect(lines.contains { $0.hasPrefix("<g class=\"start\">") })
    }
}
