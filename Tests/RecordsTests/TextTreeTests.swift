import TestSupport
import Testing

@testable import Records

@Suite struct TextTreeTests {
    @Test func keepsEachTextOnceAndAFolderOnce() {
        var tree = TextTree()
        let first = tree.intern("/etc/passwd")
        let second = tree.intern("/etc/group")
        #expect(first != second)
        #expect(tree.intern("/etc/passwd") == first)
        #expect(tree.parent(of: first) == tree.parent(of: second))
        #expect(tree.array(tree.parent(of: first)) == Array("/etc".utf8))
        // The empty text, etc, passwd, group.
        let (count, bytes) = (tree.count, tree.byteCount)
        #expect(count == 4)
        #expect(bytes == 14)
        #expect(tree.array(first) == Array("/etc/passwd".utf8))
        #expect(tree.length(of: first) == 11)
        #expect(tree.withName(of: first) { Array($0) } == Array("passwd".utf8))
    }

    @Test func noneIsEmptyAndTheEmptyTextIsAText() {
        var tree = TextTree()
        #expect(tree.array(.none).isEmpty)
        let isNoneEmpty = tree.isEmpty(.none)
        #expect(isNoneEmpty)
        let empty = tree.intern([])
        #expect(empty != .none)
        #expect(tree.intern("") == empty)
        #expect(tree.array(empty).isEmpty)
        let isEmpty = tree.isEmpty(empty)
        #expect(isEmpty)
        let root = tree.intern("/")
        let isRootEmpty = tree.isEmpty(root)
        #expect(!isRootEmpty)
        #expect(tree.intern([0]) != empty)
    }

    /// What a folder's child is, whether the folder is written with a `/` at its end or not.
    @Test func aChildOfTheRootHasOneSlash() {
        var tree = TextTree()
        func child(_ folder: String, _ name: String) -> TextID {
            let folder = tree.intern(folder)
            return Array(name.utf8).withUnsafeBytes { tree.child(of: folder, name: $0) }
        }
        #expect(child("/", "etc") == tree.intern("/etc"))
        #expect(child("", "etc") == tree.intern("/etc"))
        #expect(child("/etc", "a") == tree.intern("/etc/a"))
        #expect(child("/etc/", "a") == tree.intern("/etc/a"))
        let etc = tree.intern("/etc")
        #expect(Array("a".utf8).withUnsafeBytes { tree.find($0, in: etc) } == tree.intern("/etc/a"))
        let known = tree.count
        #expect(Array("b".utf8).withUnsafeBytes { tree.find($0, in: etc) } == nil)
        let after = tree.count
        #expect(after == known)
    }

    @Test func whatLiesBelow() {
        var tree = TextTree()
        let texts = ["/", "/a", "/a/b", "/ab", "a"].map { tree.intern($0) }
        func isBelow(_ text: Int, _ folder: Int) -> Bool { tree.isBelow(texts[text], texts[folder]) }
        #expect((0..<5).map { isBelow($0, 0) } == [true, true, true, true, false])
        #expect((0..<5).map { isBelow($0, 1) } == [false, true, true, false, false])
        #expect(isBelow(4, 4))
    }

    /// Against a dictionary: any bytes, slashes wherever they fall, many that differ in little, several growths.
    @Test(arguments: 1...6) func agreesWithADictionary(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var tree = TextTree()
        var speller = TextSpeller()
        var model: [[UInt8]: TextID] = [:]
        let letters: [UInt8] = [Array(0...255), [0, 1], [0x2f, 0x61], [0x2f, 0x61, 0x62]][seed % 4]
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...20, using: &random)
            let text = (0..<count).map { _ in letters.randomElement(using: &random)! }
            let number = tree.intern(text)
            if let known = model[text] { #expect(number == known) }
            model[text] = number
        }
        #expect(Set(model.values).count == model.count)
        for (text, number) in model {
            #expect(tree.array(number) == text)
            #expect(tree.length(of: number) == text.count)
            #expect(tree.withBytes(number) { Array($0) } == text)
            #expect(Array(speller.spell(number, in: tree)) == text)
            let isEmpty = tree.isEmpty(number)
            #expect(isEmpty == text.isEmpty)
        }
    }

    /// A path takes memory for its last name alone: 6,000 folders in one another, each name as long as may be.
    @Test func depthCostsNothing() {
        var tree = TextTree()
        let name = [UInt8](repeating: 0x61, count: 255)
        var folder = tree.intern("/")
        for _ in 0..<6_000 { folder = name.withUnsafeBytes { tree.child(of: folder, name: $0) } }
        let (bytes, footprint) = (tree.byteCount, tree.footprint)
        #expect(bytes == 6_000 * 255)
        #expect(footprint < 4 << 20)
        #expect(tree.length(of: folder) == 6_000 * 256)
    }

    @Test func whatHasNoRoomIsCountedAndNeverHalfThere() {
        var tree = TextTree(limit: 10)
        let first = tree.intern("/abc/de")
        #expect(tree.intern("/abc/too long") == .none)
        #expect(tree.intern("/too long/a") == .none)
        #expect(tree.intern("/abc/de") == first)
        #expect(tree.intern("/abc/fghij") != .none)
        #expect(tree.intern("/abc/k") == .none)
        let refused = tree.refused
        #expect(refused == 3)
    }

    @Test func storedNodesComeBackInTheirOrder() {
        var tree = TextTree()
        _ = tree.intern("/a/b")
        var other = TextTree()
        for number in 1...UInt32(tree.count) {
            let text = TextID(rawValue: number)
            let parent = tree.parent(of: text).rawValue
            #expect(tree.withName(of: text) { other.append(name: $0, below: parent) } == text)
        }
        #expect(other.array(other.intern("/a/b")) == Array("/a/b".utf8))
        let name = Array("b".utf8)
        #expect(name.withUnsafeBytes { other.append(name: $0, below: 2) } == nil)
        #expect(name.withUnsafeBytes { other.append(name: $0, below: 9) } == nil)
    }

    /// Texts that are interned together get what they get one after another, the folders above them included.
    @Test(arguments: 1...40) func internsTogetherAsOneByOne(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let names = ["", "a", "b", "etc", "lib", "a longer name than eight bytes"]
        let texts = (0..<Int.random(in: 1...60, using: &random)).map { _ in
            let depth = Int.random(in: 0...6, using: &random)
            return Array(
                (0...depth).map { _ in names.randomElement(using: &random)! }.joined(separator: "/").utf8)
        }
        // Every second time there is no room for all of them.
        let limit = seed % 2 == 0 ? Int(UInt32.max) : Int.random(in: 0...60, using: &random)
        var single = TextTree(limit: limit)
        let wanted = texts.map { single.array(single.intern($0)) }
        var tree = TextTree(limit: limit)
        var seen: UInt64 = 0
        var numbers: [TextID] = []
        for start in stride(from: 0, to: texts.count, by: 16) {
            var steps = texts[start..<min(start + 16, texts.count)].map { text in
                let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: text.count, alignment: 1)
                copy.copyBytes(from: text)
                return TextStep(text: UnsafeRawBufferPointer(copy))
            }
            steps.withUnsafeMutableBufferPointer { tree.intern($0, seen: &seen) }
            numbers += steps.map(\.number)
            for step in steps { step.text.deallocate() }
        }
        let spelled = numbers.map { tree.array($0) }
        if seed % 2 == 0 {
            #expect(spelled == wanted)
            let (count, bytes) = (tree.count, tree.byteCount)
            let (wantedCount, wantedBytes) = (single.count, single.byteCount)
            #expect(count == wantedCount)
            #expect(bytes == wantedBytes)
        } else {
            // Which ones are refused depends on the order; none is taken for another.
            for (text, number) in zip(texts, numbers) where number != .none {
                let array = tree.array(number)
                #expect(array == text)
            }
            let bytes = tree.byteCount
            #expect(bytes <= limit)
        }
        let again = texts.enumerated().allSatisfy { place, text in
            numbers[place] == .none || tree.intern(text) == numbers[place]
        }
        #expect(again)
    }

    /// What is before a name may be longer than there is room for at first, and so may a name.
    @Test func spellsWhatIsLong() {
        var tree = TextTree()
        var speller = TextSpeller()
        let folder = String(repeating: "/a/folder of some length", count: 700)
        let texts = [
            "/etc/a", folder + "/x", folder + "/" + String(repeating: "n", count: 9000), "/etc/b", "",
            "plain",
            folder + folder + "/" + String(repeating: "m", count: 40_000), folder + folder + "/y", "/", "//",
            "/etc/",
        ]
        for _ in 0..<2 {
            for text in texts {
                let number = tree.intern(text)
                let spelled = Array(speller.spell(number, in: tree))
                #expect(String(decoding: spelled, as: UTF8.self) == text)
            }
        }
    }

    /// Folders that share their places push one another out, and none is taken for another.
    @Test func moreFoldersThanAreRemembered() {
        var tree = TextTree()
        var numbers: [Int: TextID] = [:]
        for round in 0..<3 {
            for folder in 0..<6000 {
                let number = tree.intern("/srv/\(folder)/data/f")
                if round > 0 { #expect(number == numbers[folder]) }
                numbers[folder] = number
            }
        }
        let array = tree.array(numbers[4711]!)
        #expect(String(decoding: array, as: UTF8.self) == "/srv/4711/data/f")
        let count = tree.count
        #expect(count == 2 + 6000 * 3)
    }

    /// Of texts that share a hash, or half of one, each is asked for; the fifth pushes the first out.
    @Test func recentTextsAreAskedFor() {
        var recent = RecentTexts(places: 8)
        for number in 1...4 as ClosedRange<UInt32> { recent.remember(number, 0x1234_0000_0007) }
        for number in 1...4 as ClosedRange<UInt32> {
            #expect(recent.search(0x1234_0000_0007) { $0 == number } == number)
            #expect(recent.search(0x1235_0000_0007) { $0 == number } == nil)
            #expect(recent.search(0x1234_0000_0003) { $0 == number } == nil)
        }
        #expect(recent.search(7) { _ in true } == nil)
        #expect(recent.search(0x1234_0000_0007) { _ in false } == nil)
        recent.remember(5, 0x1234_0000_0007)
        #expect(recent.search(0x1234_0000_0007) { $0 == 1 } == nil)
        #expect(recent.search(0x1234_0000_0007) { $0 == 5 } == 5)
        recent.removeAll()
        #expect(recent.search(0x1234_0000_0007) { _ in true } == nil)
    }
}
