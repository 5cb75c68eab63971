import Records
import TestSupport
import Testing

@testable import Observation

/// The table of directories by itself.
@Suite struct DirectoryTreeTests {
    private func number(_ tree: inout DirectoryTree, _ name: String) -> DirectoryTree.IdentityNumber {
        Array(name.utf8).withUnsafeBytes { tree.number(of: $0) }
    }

    private func place(
        _ tree: inout DirectoryTree, _ identity: String, in parent: DirectoryTree.Number, _ name: String
    ) -> DirectoryTree.Number {
        let identity = number(&tree, identity)
        return Array(name.utf8).withUnsafeBytes { tree.place(identity, in: parent, name: $0) }
    }

    private func path(_ tree: inout DirectoryTree, _ directory: DirectoryTree.Number) -> String? {
        var texts = TextTree()
        guard case .path(let path) = tree.path(of: directory, &texts) else { return nil }
        return String(decoding: texts.array(path.text), as: UTF8.self)
    }

    /// Against a model that walks from each directory to the root: mkdirs and renames at random.
    @Test(arguments: 1...4) func agreesWithAWalkToTheRoot(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var tree = DirectoryTree()
        var texts = TextTree()
        var model: [(parent: Int, name: String)] = [(0, "")]
        func isBelow(_ directory: Int, _ folder: Int) -> Bool {
            var directory = directory
            while directory != 0, directory != folder { directory = model[directory].parent }
            return directory == folder
        }
        tree.placeAtRoot(number(&tree, "0"))
        for step in 1...2_000 {
            tree.beginBatch()
            let parent = Int.random(in: model.indices, using: &random)
            let above = tree.directory(number(&tree, "\(parent)"))
            let name = "\(Int.random(in: 0..<20, using: &random))"
            let moved = Int.random(in: model.indices, using: &random)
            if step % 3 == 0, moved != 0, !isBelow(parent, moved) {
                model[moved] = (parent, name)
                let identity = number(&tree, "\(moved)")
                Array(name.utf8).withUnsafeBytes { tree.rename(identity, from: 0, $0, to: above, $0) }
            } else {
                _ = place(&tree, "\(model.count)", in: above, name)
                model.append((parent, name))
            }
            guard step % 100 == 0 else { continue }
            for directory in model.indices {
                var wanted = ""
                var walk = directory
                while walk != 0 {
                    wanted = "/" + model[walk].name + wanted
                    walk = model[walk].parent
                }
                let number = tree.directory(number(&tree, "\(directory)"))
                guard case .path(let found) = tree.path(of: number, &texts) else {
                    Issue.record("\(directory) is not known")
                    continue
                }
                #expect(
                    String(decoding: texts.array(found.text), as: UTF8.self)
                        == (wanted.isEmpty ? "/" : wanted))
                #expect(found.length == texts.length(of: found.text))
            }
        }
    }

    @Test func aFullTableIsEmptiedBetweenBatches() {
        var tree = DirectoryTree(limit: 10)
        tree.beginBatch()
        tree.placeAtRoot(number(&tree, "/"))
        for number in 0..<20 { _ = place(&tree, "\(number)", in: DirectoryTree.root, "\(number)") }
        let last = tree.directory(number(&tree, "19"))
        #expect(path(&tree, last) == "/19")
        tree.beginBatch()
        #expect(tree.directory(number(&tree, "19")) == 0)
        let (count, evictions) = (tree.count, tree.evictions)
        #expect(count == 0)
        #expect(evictions == 1)
    }

    /// Names of renames alone fill the table too.
    @Test func renamesDoNotGrowTheTableForEver() {
        var tree = DirectoryTree(limit: 100)
        tree.placeAtRoot(number(&tree, "/"))
        var largest = 0
        for step in 0..<20_000 {
            tree.beginBatch()
            let identity = number(&tree, "d")
            Array("\(step)".utf8).withUnsafeBytes { name in
                tree.rename(identity, from: 0, name, to: DirectoryTree.root, name)
            }
            tree.doubtRestless()
            largest = max(largest, tree.footprint)
        }
        #expect(largest < 100_000)
        let evictions = tree.evictions
        #expect(evictions > 0)
    }

    /// A path is put together once, and again only after something has moved.
    @Test func lookingForATextAddsNone() {
        var tree = DirectoryTree()
        var texts = TextTree()
        let directory = place(&tree, "d", in: DirectoryTree.root, "d")
        if case .path = tree.path(of: directory, &texts, isAdding: false) {
            Issue.record("nobody has met /d")
        }
        let wanted = texts.intern("/d")
        guard case .path(let path) = tree.path(of: directory, &texts, isAdding: false) else {
            Issue.record("it is there")
            return
        }
        #expect(path.text == wanted)
    }
}
