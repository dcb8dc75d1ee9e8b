// A HAL client that is not ours (ketting) walks a running system, following nothing but links: from `/` through the
// gateway to a collection, over its pages to an item, and back.
//
//   node walk.js http://localhost:8088
//
// Prints every step. Exits with 1 where a link is missing, leads elsewhere than to the gateway, or leads wrong.
'use strict';

const assert = require('node:assert/strict');
const { Ketting } = require('ketting');

const gateway = process.argv[2];
const COLLECTIONS = ['preReservations', 'payments', 'receipts', 'myReservations'];
const PATIENCE_MS = 30_000;

function say(step) {
  console.log(`hal: ${step}`);
}

function isOnGateway(resource, what) {
  assert.ok(resource.uri.startsWith(`${gateway}/`), `${what} leads away from the gateway: ${resource.uri}`);
}

// A comma may be escaped in a URL or not; it is the same place.
function isSame(resource, other, what) {
  assert.equal(decodeURIComponent(resource.uri), decodeURIComponent(other.uri), what);
}

// POST is Ketting's too: `Location` is followed to the new resource.
async function reserve(root) {
  const collection = await root.follow('preReservations', {});
  const made = await collection.postFollow({
    data: {
      userId: '4711', userAddress: 'seoul', productId: '1', productName: 'fold', price: '1300000',
      cardNo: '1234-1234-1234-1234', status: 'order',
    },
  });
  isOnGateway(made, 'Location');
  const state = await made.get();
  assert.equal(state.data.status, 'reservated');
  say(`POST ${collection.uri} -> Location ${made.uri}`);
  return state.data.id;
}

async function eventually(what, look) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < deadline, `not in time: ${what}`);
  }
}

async function walk(root, collection, count) {
  const first = await eventually(`${count} ${collection}`, async () => {
    const page = await root.follow(collection, { page: 0, size: 1, sort: 'id,desc' });
    return (await page.refresh()).data.page.totalElements >= count ? page : null;
  });
  isOnGateway(first, collection);
  // Forwards over the pages, one item each, and backwards again.
  let page = first;
  const forwards = [page.uri];
  for (let state = await page.get(); state.links.has('next') && forwards.length < 3; state = await page.get()) {
    page = await page.follow('next');
    isOnGateway(page, 'next');
    forwards.push(page.uri);
  }
  assert.ok(forwards.length > 1, 'there is more than one page');
  say(`${collection}: ${forwards.length} pages by "next"`);
  const [item] = await page.followAll(collection);
  isOnGateway(item, 'the item');
  const state = await item.refresh();
  assert.ok(item.uri.endsWith(`/${collection}/${state.data.id}`), item.uri);
  const self = await item.follow('self');
  isSame(self, item, '"self" of an item is the item');
  say(`${collection}: item ${item.uri} (${state.data.status})`);
  for (let back = forwards.length - 1; back > 0; back -= 1) {
    page = await page.follow('prev');
  }
  isSame(page, first, '"prev" leads back to where "next" began');
  const last = await (await first.follow('last')).follow('first');
  isSame(last, first, '"last" and "first" lead back');
  const searches = await first.follow('search');
  const found = await searches.follow('findByUserId', { userId: 4711, size: 5 });
  isOnGateway(found, 'findByUserId');
  assert.ok((await found.get()).data.page.totalElements >= count);
  say(`${collection}: search ${found.uri}, back to ${page.uri}`);
}

async function main() {
  assert.ok(gateway, 'usage: node walk.js http://localhost:8088');
  const client = new Ketting(`${gateway}/`);
  const root = client.go('/');
  const links = (await root.get()).links.getAll().map((link) => link.rel);
  say(`GET ${root.uri} -> ${links.join(' ')}`);
  const count = 3;
  const ids = [];
  for (let made = 0; made < count; made += 1) ids.push(await reserve(root));
  for (const collection of COLLECTIONS) await walk(root, collection, count);
  const doomed = await root.follow('preReservations', { page: 0, size: 1, sort: 'id,desc' });
  await doomed.refresh();
  const [item] = await doomed.followAll('preReservations');
  await item.delete();
  await assert.rejects(item.refresh(), (error) => error.status === 404);
  say(`DELETE ${item.uri}, then 404 as a problem document`);
  say(`ketting walked ${COLLECTIONS.length} collections from / to their items and back, reserved ${ids.length}, cancelled 1`);
}

main().catch((error) => {
  console.error(`hal: ${error.stack || error}`);
  process.exitCode = 1;
});
