extension MapAssets {
    /// What pages do better with a script; without it all of it can be asked by links and forms.
    static let script: StaticString = #"""
        "use strict";
        (() => {
          // A slider says where it stands, and asks once it is let go.
          const moment = seconds => new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");
          for (const range of document.querySelectorAll("#times input[type=range]")) {
            range.addEventListener("input", () => {
              range.parentElement.querySelector("output").value = moment(Number(range.value));
            });
            range.addEventListener("change", () => range.form.requestSubmit());
          }
          for (const box of document.querySelectorAll(".controls input[type=checkbox]")) {
            box.addEventListener("change", () => box.form.requestSubmit());
          }
          const choice = document.querySelector("#move select");
          if (choice) choice.addEventListener("change", () => choice.form.requestSubmit());
          document.addEventListener("keydown", event => {
            const typed = event.target.closest("input, select, textarea");
            if (event.key !== "/" || typed || event.ctrlKey || event.altKey || event.metaKey) return;
            event.preventDefault();
            document.getElementById("search").focus();
          });

          const view = document.querySelector(".picture");
          const picture = document.getElementById("picture");
          if (!picture) return;
          // Each page is a new one; the picture stays where it was.
          const place = "map " + new URLSearchParams(location.search).get("program");
          try {
            const [x, y] = (sessionStorage.getItem(place) || "").split(" ").map(Number);
            if (x || y) view.scrollTo(x, y);
            addEventListener("pagehide", () => {
              sessionStorage.setItem(place, view.scrollLeft + " " + view.scrollTop);
            });
          } catch { /* A browser may forbid it to be kept. */ }
          const selected = picture.querySelector(".selected");
          if (selected) selected.scrollIntoView({ block: "nearest", inline: "nearest" });

          const at = event => {
            const point = new DOMPoint(event.clientX, event.clientY);
            return point.matrixTransform(picture.getScreenCTM().inverse());
          };
          const go = change => {
            const query = new URLSearchParams(location.search);
            change(query);
            location.search = query.toString();
          };
          for (const box of picture.querySelectorAll(".box")) drag(box);

          // Dragged, a box is pinned where it is let go; on another host it is asked what would break there.
          function drag(box) {
            const frames = [...picture.querySelectorAll(".frame")];
            const under = point => frames.find(frame => {
              const b = frame.getBBox();
              return point.x >= b.x && point.x <= b.x + b.width && point.y >= b.y && point.y <= b.y + b.height;
            });
            let from = null, moved = false, start = null;
            box.addEventListener("dragstart", event => event.preventDefault());
            box.addEventListener("pointerdown", event => {
              // A finger moves the picture; only a mouse or a pen drags.
              if (event.button !== 0 || event.pointerType === "touch") return;
              from = at(event);
              start = box.querySelector(".shape").getBBox();
              moved = false;
              // A quick hand leaves the box between two of its moves.
              addEventListener("pointermove", move);
              addEventListener("pointerup", drop);
              addEventListener("pointercancel", end);
            });
            function end() {
              removeEventListener("pointermove", move);
              removeEventListener("pointerup", drop);
              removeEventListener("pointercancel", end);
            }
            function move(event) {
              const to = at(event);
              if (!moved && Math.hypot(to.x - from.x, to.y - from.y) < 6) return;
              moved = true;
              box.classList.add("dragged");
              box.setAttribute("transform", `translate(${to.x - from.x} ${to.y - from.y})`);
              const target = under(to);
              for (const frame of frames) frame.classList.toggle("dropped", frame === target && target !== under(from));
            }
            function drop(event) {
              end();
              if (!moved) return;
              const to = at(event), target = under(to), key = box.dataset.key;
              if (target && target !== under(from)) {
                go(query => { query.set("sel", key); query.set("to", target.dataset.host); });
              } else {
                const x = Math.max(0, Math.round(start.x + to.x - from.x));
                const y = Math.max(0, Math.round(start.y + to.y - from.y));
                go(query => {
                  const others = query.getAll("pin").filter(pin => pin.split(",").slice(2).join(",") !== key);
                  query.delete("pin");
                  for (const pin of others) query.append("pin", pin);
                  query.append("pin", `${x},${y},${key}`);
                });
              }
            }
            box.addEventListener("click", event => {
              if (moved) { event.preventDefault(); moved = false; }
            }, true);
          }
        })();
        """#
}
