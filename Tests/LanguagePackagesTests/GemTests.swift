import Foundation
import TestSupport
import Testing

@testable import LanguagePackages

/// What gem(1) has built and installed here.
@Suite struct GemTests {
    @Test(.enabled(if: LanguageTools.isThere("/usr/bin/gem"), "gem is not here"))
    func aGem() throws {
        try withTemporaryFolder { folder in
            try makeFolder(folder + "/src/lib")
            try write("puts 1\n", to: folder + "/src/lib/shop.rb")
            try write(
                """
                Gem::Specification.new do |s|
                  s.name = "shop-gem"
                  s.version = "2.1.rc1"
                  s.summary = "a test"
                  s.authors = ["nobody"]
                  s.files = ["lib/shop.rb"]
                end

                """, to: folder + "/src/shop.gemspec")
            let home = folder + "/gems"
            try LanguageTools.run(["gem", "build", "shop.gemspec"], home: folder, folder: folder + "/src")
            try LanguageTools.run(
                [
                    "gem", "install", "--local", "--no-document", "--prerelease", "--install-dir", home,
                    "shop-gem-2.1.rc1.gem",
                ],
                home: folder, folder: folder + "/src")
            let contents = try LanguageTools.run(
                ["gem", "contents", "shop-gem", "--prefix"], home: folder,
                more: ["GEM_HOME": home, "GEM_PATH": home])
            let files = contents.split(separator: "\n").map { Array($0.utf8) }
            #expect(files.count == 1)
            let languages = LanguagePackages(root: "/")
            for file in files {
                let package = try #require(languages.owner(of: file))
                #expect(package.system == .gem && package.name == "shop-gem" && package.version == "2.1.rc1")
                #expect(
                    package.folder == Array(home.utf8) && package.origin == .unknown && package.canBeFetched)
                #expect(
                    package.places.map { String(decoding: $0, as: UTF8.self) } == [
                        home + "/gems/shop-gem-2.1.rc1", home + "/specifications/shop-gem-2.1.rc1.gemspec",
                    ])
                #expect(languages.condition(of: package) == .unknown)
            }
            // A folder of that name without a specification is anybody's.
            try makeFolder(home + "/gems/mine-1")
            #expect(languages.owner(of: Array((home + "/gems/mine-1/x.rb").utf8)) == nil)
            #expect(languages.owner(of: Array((home + "/cache/shop-gem-2.1.rc1.gem").utf8)) == nil)
        }
    }

    @Test func specifications() {
        func names(_ text: String) -> String? {
            Gems.names(specification: Array(text.utf8)).map { "\($0.name) \($0.version)" }
        }
        #expect(names("# -*- encoding: utf-8 -*-\n# stub: a-b 1.2 x86_64-linux lib ext\n") == "a-b 1.2")
        #expect(
            names(
                "Gem::Specification.new do |s|\n  s.name = %q{x}\n  s.name = \"old\".freeze\n  s.version=\"0.1\"\n"
            ) == "old 0.1")
        #expect(names("# stub: a\n  s.names = \"x\"\n") == nil)
        #expect(
            Gems.folder(of: Array("/g/extensions/x86_64-linux/3.1.0/a-1/a.so".utf8))
                == Array("/g/gems/a-1".utf8))
        #expect(Gems.folder(of: Array("/gems/a-1/x".utf8)) == nil)
    }
}
