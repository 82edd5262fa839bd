/** Items in their order, as many together as this size holds; one that is larger is alone. */
export function groupsOf<Item>(items: readonly Item[], sizeOf: (item: Item) => number, most: number): Item[][] {
  const groups: Item[][] = [];
  let room = -1;
  for (const item of items) {
    const size = sizeOf(item);
    room -= size;
    if (room < 0) {
      groups.push([]);
      room = most - size;
    }
    groups[groups.length - 1].push(item);
  }
  return groups;
}
